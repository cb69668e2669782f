// See matmul.h. Creating a primitive costs more than a small product, so they are cached by shape.
#include "matmul.h"

#include <dnnl.hpp>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "bf16_products.h"
#include "few_rows.h"
#include "parallel.h"

namespace tessera {
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::data_type dataType(Type type) {
  return type == Type::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
}

dnnl::matmul::primitive_desc describe(const memory::desc& a, const memory::desc& b,
                                      const memory::desc& out, const memory::desc* bias) {
#if DNNL_VERSION_MAJOR >= 3
  return bias == nullptr ? dnnl::matmul::primitive_desc(engine(), a, b, out)
                         : dnnl::matmul::primitive_desc(engine(), a, b, *bias, out);
#else
  const auto operation =
      bias == nullptr ? dnnl::matmul::desc(a, b, out) : dnnl::matmul::desc(a, b, *bias, out);
  return {operation, engine()};
#endif
}

/** The type that products of operands of `type` compute in. */
Type computeType(Type type) {
  return productType(type) == Type::bf16 && usesBf16Pairs() ? Type::bf16 : Type::f32;
}

/** The number of rows that the packed layout is chosen for. It serves other numbers as well. */
constexpr int64_t kPackedRows = 256;
/** With fewer rows, packing the right operand does not pay. */
constexpr int64_t kRowsWorthPacking = 64;

/** The layout that products with a right-hand matrix [rows, columns] are fastest with. */
const memory::desc& packedLayout(int64_t rows, int64_t columns, Type type) {
  thread_local std::map<std::tuple<int64_t, int64_t, Type>, memory::desc> kept;
  const auto key = std::make_tuple(rows, columns, type);
  const auto found = kept.find(key);
  if (found != kept.end()) return found->second;
  const memory::desc a({kPackedRows, rows}, dataType(type), memory::format_tag::ab);
  const memory::desc b({rows, columns}, dataType(type), memory::format_tag::any);
  const memory::desc out({kPackedRows, columns}, memory::data_type::f32, memory::format_tag::ab);
  return kept.emplace(key, describe(a, b, out, nullptr).weights_desc()).first->second;
}

/** `batch` consecutive matrices; `rank` 2 drops that dimension, which must then be 1. */
memory::desc descriptor(const Matrix& matrix, int64_t batch, int rank) {
  using tag = memory::format_tag;
  const memory::data_type type = dataType(matrix.type);
  const auto [rows, columns] = std::pair(matrix.rows, matrix.columns);
  if (matrix.packed) return packedLayout(rows, columns, matrix.type);
  if (rank == 3) return {{batch, rows, columns}, type, matrix.transposed ? tag::acb : tag::abc};
  return {{rows, columns}, type, matrix.transposed ? tag::ba : tag::ab};
}

int rankOf(const Product& p) { return p.batch == 1 ? 2 : 3; }

memory::desc biasOf(const Product& p) {
  return descriptor({p.bias, Type::f32, 1, p.b.columns}, 1, rankOf(p));
}

using Key = std::array<int64_t, 12>;

Key keyOf(const Product& p) {
  return {p.batch,
          p.batchA,
          p.batchB,
          p.a.rows,
          p.a.columns,
          p.b.columns,
          p.a.transposed,
          p.b.transposed,
          p.bias != nullptr,
          static_cast<int64_t>(p.a.type),
          static_cast<int64_t>(p.outType),
          p.b.packed};
}

/** One thread's primitives. A description holds the layouts that its primitive was made for. */
struct Kept {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;
};

const Kept& primitiveOf(const Product& p) {
  thread_local std::map<std::pair<Key, int>, Kept> kept;
  const auto key = std::make_pair(keyOf(p), omp_get_max_threads());
  const auto found = kept.find(key);
  if (found != kept.end()) return found->second;
  const Matrix out{nullptr, p.outType, p.a.rows, p.b.columns};
  const int rank = rankOf(p);
  const memory::desc bias = biasOf(p);
  auto description = describe(descriptor(p.a, p.batchA == 0 ? 1 : p.batch, rank),
                              descriptor(p.b, p.batchB == 0 ? 1 : p.batch, rank),
                              descriptor(out, p.batch, rank), p.bias == nullptr ? nullptr : &bias);
  return kept.emplace(key, Kept{description, dnnl::matmul(description)}).first->second;
}

memory bind(const memory::desc& layout, const void* data) {
  return {layout, engine(), const_cast<void*>(data)};
}

dnnl::stream& stream() {
  thread_local dnnl::stream stream(engine());
  return stream;
}

void run(const Product& p) {
  const Kept& kept = primitiveOf(p);
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, bind(kept.description.src_desc(), p.a.data)},
      {DNNL_ARG_WEIGHTS, bind(kept.description.weights_desc(), p.b.data)},
      {DNNL_ARG_DST, bind(kept.description.dst_desc(), p.out)}};
  if (p.bias != nullptr) {
    arguments.insert({DNNL_ARG_BIAS, bind(biasOf(p), p.bias)});
  }
  kept.primitive.execute(stream(), arguments);
  stream().wait();
}

/**
 * In bf16, reordering the right operand takes a noticeable part of the time; in fp32 it does not.
 */
bool isWorthPacking(const Product& p) {
  return p.batch == 1 && !p.b.packed && computeType(p.a.type) == Type::bf16 &&
         p.a.rows >= kRowsWorthPacking;
}

/** `matrix`'s elements in storage `type`. */
Converted converted(const Matrix& matrix, int64_t batch, Type type, Pool& pool) {
  const int64_t size = batch * matrix.rows * matrix.columns;
  return {View{const_cast<void*>(matrix.data), matrix.type, {size}}, type, pool};
}

/**
 * The right operand in oneDNN's preferred layout, which oneDNN would otherwise reorder it to in
 * every call.
 */
class PackedMatrix {
 public:
  PackedMatrix(const Matrix& plain, Type type, Pool& pool)
      : type_(type),
        rows_(plain.rows),
        columns_(plain.columns),
        memory_(pool, static_cast<int64_t>(packedLayout(rows_, columns_, type).get_size())) {
    // oneDNN converts these itself; fp16 it does not.
    const Converted source =
        converted(plain, 1, plain.type == Type::bf16 ? Type::bf16 : Type::f32, pool);
    Matrix wide = plain;
    wide.data = source.view().data;
    wide.type = source.view().type;
    memory from = bind(descriptor(wide, 1, 2), wide.data),
           to = bind(descriptor(matrix(), 1, 2), memory_.data());
    dnnl::reorder(from, to).execute(stream(), from, to);
    stream().wait();
  }
  Matrix matrix() const { return {memory_.data(), type_, rows_, columns_, false, true}; }

 private:
  Type type_;
  int64_t rows_, columns_;
  Scratch<char> memory_;
};

}  // namespace

Converted::Converted(const View& view, Type type, Pool& pool) : view_(view) {
  if (view.type == type) return;
  const int64_t size = view.size();
  scratch_.emplace(pool, bytesOf(type, size));
  view_ = {scratch_->data(), type, view.shape};
  eachChunk(size, [&](int64_t first, int64_t count) {
    alignas(64) float lanes[kChunk];
    store(view_, first, count, load(view, first, count, lanes));
  });
}

void multiply(const Product& product, Pool& pool) {
  Product p = product;
  const int64_t size = p.batch * p.a.rows * p.b.columns;
  if (size == 0) return;
  if (hasFewRows(p)) return multiplyFewRows(p);
  const View out{p.out, p.outType, {size}};
  // oneDNN 2 has no fp16 on processors: those products run in fp32.
  const Type rounded = productType(p.a.type), type = computeType(p.a.type);
  std::optional<PackedMatrix> packed;
  if (isWorthPacking(p)) {
    packed.emplace(p.b, type, pool);
    p.b = packed->matrix();
  }
  const Converted a = converted(p.a, p.batchA == 0 ? 1 : p.batch, type, pool);
  // Rounded on every processor, so that it computes from the same numbers.
  const Converted narrow = converted(p.b, p.batchB == 0 ? 1 : p.batch, rounded, pool);
  const Converted b(narrow.view(), type, pool);
  p.a.data = a.view().data;
  p.b.data = b.view().data;
  p.a.type = p.b.type = type;
  const bool direct = p.outType == Type::f32 || (p.outType == Type::bf16 && type == Type::bf16);
  std::optional<Scratch<float>> result;
  if (!direct) {
    result.emplace(pool, size);
    p.out = result->data();
    p.outType = Type::f32;
  }
  if (p.a.columns == 0) throw std::invalid_argument("a product over no elements");
  run(p);
  if (!direct) {
    eachChunk(size, [&](int64_t first, int64_t count) {
      store(out, first, count, result->data() + first);
    });
  }
}

}  // namespace tessera
