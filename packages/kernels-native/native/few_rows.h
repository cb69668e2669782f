// Products of a few rows, as decoding has them. They are bound by memory: each weight is read once,
// as it is stored, and widened in registers.
#pragma once

#include "matmul.h"

namespace tessera {

/** Whether `multiplyFewRows` takes this product: of fp32 rows, so few that memory is the bound. */
bool hasFewRows(const Product& product);

/** out = a b (+ bias). The same sums for any number of threads. */
void multiplyFewRows(const Product& product);

}  // namespace tessera
