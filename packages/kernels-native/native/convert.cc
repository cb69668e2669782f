// Conversion between storages, and tfjs's casts.
#include "parallel.h"

namespace tessera {
namespace {

void convert(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    alignas(64) float scratch[kChunk];
    store(y, first, count, load(x, first, count, scratch));
  });
}

/** To floats from anything, and to integers from booleans. */
void cast(const Call& call) {
  const View &x = call.in[0], &y = call.out[0];
  if (y.type != Type::i32) return convert(call);
  if (x.type != Type::u8) throw std::invalid_argument("Cast: only booleans become integers here");
  const auto* from = static_cast<const uint8_t*>(x.data);
  int32_t* to = y.ints();
  eachChunk(y.size(), [&](int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) to[i] = from[i];
  });
}

const RegisterKernel registerCast({"Cast", {"x"}, {"y"}, {}, cast});
const RegisterKernel registerKernel({"TesseraConvert", {"x"}, {"y"}, {"storage"}, convert});

}  // namespace
}  // namespace tessera
