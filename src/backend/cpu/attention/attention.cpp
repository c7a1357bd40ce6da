#include "ops/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "backend/cpu/attention/score_mask.h"
#include "backend/cpu/float_site.h"
#include "backend/cpu/gemm/matrix_panels.h"
#include "backend/cpu/gemm/matrix_product.h"
#include "backend/cpu/softmax/softmax_loops.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "base/checked.h"

namespace halftone::cpu {
namespace {

/// Query rows worked on at a time: their scores against all keys stay in the cache.
constexpr int64_t kBlockRows = 64;

/// Rows below which keys and values are read as they lie, not packed first.
constexpr int64_t kFewRows = 12;

/// Inputs of Attention behind Q, K and V.
constexpr size_t kMask = 3, kValidKeys = 6;

struct Loops {
  const FloatGemmLoops& products;
  const FloatTileLoops& tiles;
  const SoftmaxLoops& softmax;
};

/// The sizes and settings of one use, of Attention or of its gradient, whose Q stands at `q_input`.
struct Spec {
  HeadsExtent q, k, v, y;
  float scale, cap;
  bool causal;
  int64_t window;  ///< 0: all

  Spec(const OpSite& site, size_t q_input)
      : q(heads_extent(site, q_input, "q_num_heads")),
        k(heads_extent(site, q_input + 1, "kv_num_heads")),
        v(heads_extent(site, q_input + 2, "kv_num_heads")),
        y(q),
        scale(site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(q.dim)))),
        cap(site.attributes->get_float("softcap", 0.0f)),
        causal(site.attributes->get_int("is_causal", 0) != 0),
        window(site.attributes->get_int("window", 0)) {
    y.dim = v.dim;
  }

  int64_t group() const { return q.heads / k.heads; }
  /// Keys that rows [0, end) of the queries see.
  int64_t keys_for(int64_t end) const { return causal ? std::min(end, k.length) : k.length; }
};

/// From one position of a head to the next.
int64_t step_of(const HeadsExtent& e) {
  return e.packed ? e.heads * e.dim : e.dim;
}

MatrixView head_matrix(const float* data, const HeadsExtent& e, int64_t b, int64_t head, int64_t first,
                       int64_t rows) {
  return {data + e.offset(b, head, first), rows, e.dim, step_of(e)};
}

/// What one worker computes in: the products' scratch and some matrices, 64-byte aligned each.
class Arena {
 public:
  explicit Arena(std::byte* at) : at_(at) {}
  float* floats(int64_t count) { return reinterpret_cast<float*>(take(count * int64_t{sizeof(float)})); }
  std::byte* take(int64_t bytes) {
    std::byte* taken = at_;
    at_ += round_up(bytes, int64_t{64});
    return taken;
  }

 private:
  std::byte* at_;
};

/// Rows that see no key have no probabilities: zeros.
void clear_blind_rows(float* weights, int64_t rows, int64_t keys, uint64_t blind) {
  for (int64_t row = 0; row < rows; ++row)
    if (blind >> row & 1) std::fill_n(weights + row * keys, keys, 0.0f);
}

/// Scores of a block of query rows of one head become probabilities, and capped scores where there is a cap.
void scores_to_probabilities(const Spec& spec, const Loops& loops, const HeadMask& mask, int64_t rows,
                             int64_t keys, int64_t first_row, float* weights, float* capped) {
  if (spec.cap > 0)
    for (int64_t i = 0; i < rows * keys; ++i)
      capped[i] = weights[i] = spec.cap * std::tanh(weights[i] / spec.cap);
  if (spec.causal)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t key = first_row + row + 1; key < keys; ++key) weights[row * keys + key] = -HUGE_VALF;
  if (spec.window > 0)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t key = 0; key <= first_row + row - spec.window && key < keys; ++key)
        weights[row * keys + key] = -HUGE_VALF;
  mask.hide(weights, first_row, rows, keys);
  const uint64_t blind = mask.is_none() && spec.window == 0 ? 0 : blind_rows(weights, rows, keys);
  loops.softmax.rows(weights, weights, rows, keys);
  clear_blind_rows(weights, rows, keys, blind);
}

/// Probabilities of a block of query rows, and the capped scores where there is a cap.
void probabilities(const Spec& spec, const Loops& loops, const HeadMask& mask, const MatrixProduct& product,
                   const MatrixView& query, const MatrixView& keys, int64_t first_row, float* weights,
                   float* capped) {
  product.by_rows(query.data, query.step, query.rows, keys, weights, spec.scale);
  scores_to_probabilities(spec, loops, mask, query.rows, keys.rows, first_row, weights, capped);
}

class AttentionKernel : public PreparedKernel {
 public:
  AttentionKernel(const Loops& loops, ThreadPool& threads) : loops_(loops), workers_(threads.size()) {}

  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(workers_ * worker_bytes(Spec(site, 0)));
  }

  void run(const KernelRun& run) const override {
    const Spec spec(run.site, 0);
    const int64_t blocks = ceil_div(spec.q.length, kBlockRows), pieces = spec.q.batch * spec.q.heads * blocks;
    // Pieces go to the worker of their number, so that each has memory of its own.
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), pieces});
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t worker = begin; worker < end; ++worker) {
        Arena arena(run.workspace.data() + worker * worker_bytes(spec));
        const int64_t first = pieces * worker / workers, last = pieces * (worker + 1) / workers;
        if (spec.q.length < kFewRows)
          run_few_rows(run, spec, blocks, first, last, arena);
        else
          run_pieces(run, spec, blocks, first, last, arena);
      }
    });
  }

 private:
  static const float* data(const KernelRun& run, size_t input) {
    return run.inputs[input].span<float>().data();
  }
  static ScoreMask mask_of(const KernelRun& run, const Spec& spec) {
    if (!run.site.has_input(kMask)) return {};
    return {run.inputs[kMask].tensor, {spec.q.batch, spec.q.heads, spec.q.length, spec.k.length}};
  }
  int64_t zero_count(const Spec& spec) const {
    return round_up(std::max(spec.k.length, spec.v.dim), loops_.tiles.width);
  }
  int64_t worker_bytes(const Spec& spec) const {
    int64_t floats = kBlockRows * spec.k.length * (spec.cap > 0 ? 2 : 1);
    if (spec.q.length < kFewRows)
      floats += kBlockRows * spec.v.dim;
    else
      floats += MatrixPanels::floats(loops_.tiles, spec.k.length, spec.k.dim) +
                MatrixPanels::floats(loops_.tiles, spec.v.dim, spec.k.length) + zero_count(spec);
    return round_up(loops_.products.scratch_bytes + floats * int64_t{sizeof(float)} + 6 * 64, int64_t{64});
  }

  /// A piece is some query rows of one head, and the keys that they see, up to a multiple of `key_step`.
  struct Piece {
    Piece(const Spec& spec, int64_t blocks, int64_t piece, int64_t key_step)
        : b(piece / blocks / spec.q.heads),
          head(piece / blocks % spec.q.heads),
          kv_head(head / spec.group()),
          first(spec.q.length * (piece % blocks) / blocks),
          rows(spec.q.length * (piece % blocks + 1) / blocks - first),
          keys(std::min(round_up(spec.keys_for(first + rows), key_step), spec.k.length)) {}
    int64_t b, head, kv_head, first, rows, keys;
  };

  void run_few_rows(const KernelRun& run, const Spec& spec, int64_t blocks, int64_t begin, int64_t end,
                    Arena& arena) const {
    const float *q = data(run, 0), *k = data(run, 1), *v = data(run, 2);
    float* y = run.outputs[0].span<float>().data();
    const MatrixProduct product{loops_.products, arena.take(loops_.products.scratch_bytes)};
    float* weights = arena.floats(kBlockRows * spec.k.length);
    float* capped = arena.floats(spec.cap > 0 ? kBlockRows * spec.k.length : 0);
    float* result = arena.floats(kBlockRows * spec.v.dim);
    const ScoreMask mask = mask_of(run, spec);
    for (int64_t i = begin; i < end; ++i) {
      const Piece p(spec, blocks, i, 1);
      probabilities(spec, loops_, mask.of(p.b, p.head), product,
                    head_matrix(q, spec.q, p.b, p.head, p.first, p.rows),
                    head_matrix(k, spec.k, p.b, p.kv_head, 0, p.keys), p.first, weights, capped);
      product.by_columns(weights, p.keys, p.rows, head_matrix(v, spec.v, p.b, p.kv_head, 0, p.keys), result);
      for (int64_t row = 0; row < p.rows; ++row)
        std::copy_n(result + row * spec.v.dim, spec.v.dim, y + spec.y.offset(p.b, p.head, p.first + row));
    }
  }

  /// Keys and values of a head are packed once for its pieces.
  void run_pieces(const KernelRun& run, const Spec& spec, int64_t blocks, int64_t begin, int64_t end,
                  Arena& arena) const {
    const FloatTileLoops& tiles = loops_.tiles;
    const float *q = data(run, 0), *k = data(run, 1), *v = data(run, 2);
    float* y = run.outputs[0].span<float>().data();
    float* weights = arena.floats(kBlockRows * spec.k.length);
    float* capped = arena.floats(spec.cap > 0 ? kBlockRows * spec.k.length : 0);
    float* key_panels = arena.floats(MatrixPanels::floats(tiles, spec.k.length, spec.k.dim));
    float* value_panels = arena.floats(MatrixPanels::floats(tiles, spec.v.dim, spec.k.length));
    float* zeros = arena.floats(zero_count(spec));
    std::fill_n(zeros, zero_count(spec), 0.0f);
    const ScoreMask mask = mask_of(run, spec);
    int64_t packed = -1;
    for (int64_t i = begin; i < end; ++i) {
      const Piece p(spec, blocks, i, tiles.width);
      if (const int64_t head = p.b * spec.k.heads + p.kv_head; packed != head) {
        packed = head;
        const int64_t length = spec.k.length;
        MatrixPanels::pack_rows(tiles, head_matrix(k, spec.k, p.b, p.kv_head, 0, length), spec.scale,
                                key_panels);
        MatrixPanels::pack_columns(tiles, head_matrix(v, spec.v, p.b, p.kv_head, 0, length), value_panels);
      }
      const MatrixView query = head_matrix(q, spec.q, p.b, p.head, p.first, p.rows);
      MatrixPanels::multiply(tiles, query.data, query.step, p.rows, query.columns, key_panels, p.keys, zeros,
                             weights, p.keys);
      scores_to_probabilities(spec, loops_, mask.of(p.b, p.head), p.rows, p.keys, p.first, weights, capped);
      multiply_values(spec, weights, p, value_panels, zeros, y + spec.y.offset(p.b, p.head, p.first));
    }
  }

  /// The panels are as deep as all keys, of which the rows may see the first alone.
  void multiply_values(const Spec& spec, const float* weights, const Piece& p, const float* panels,
                       const float* zeros, float* y) const {
    const FloatTileLoops& tiles = loops_.tiles;
    for (int64_t n = 0; n < spec.v.dim; n += tiles.width)
      MatrixPanels::multiply(tiles, weights, p.keys, p.rows, p.keys, panels + n * spec.k.length,
                             std::min(tiles.width, spec.v.dim - n), zeros, y + n, step_of(spec.y));
  }

  Loops loops_;
  int64_t workers_;
};

class AttentionGradientKernel : public PreparedKernel {
 public:
  AttentionGradientKernel(const Loops& loops, ThreadPool& threads)
      : loops_(loops), workers_(threads.size()) {}

  size_t workspace_bytes(const OpSite& site) const override {
    return static_cast<size_t>(workers_ * worker_bytes(Spec(site, 1)));
  }

  /// A piece is one KV head: what its query heads add to it stays with one worker, in their order.
  void run(const KernelRun& run) const override {
    const Spec spec(run.site, 1);
    const int64_t pieces = spec.k.batch * spec.k.heads;
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), pieces});
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      const SubnormalsAsZero mode;
      for (int64_t worker = begin; worker < end; ++worker)
        for (int64_t piece = worker; piece < pieces; piece += workers)
          run_head(run, spec, piece / spec.k.heads, piece % spec.k.heads,
                   run.workspace.data() + worker * worker_bytes(spec));
    });
  }

 private:
  int64_t worker_bytes(const Spec& spec) const {
    const int64_t keys = spec.k.length, dims = spec.q.dim + spec.v.dim;
    const int64_t floats = kBlockRows * (keys * 4 + spec.q.dim) + 2 * keys * dims;
    return round_up(loops_.products.scratch_bytes + floats * int64_t{sizeof(float)} + 9 * 64, int64_t{64});
  }

  void run_head(const KernelRun& run, const Spec& spec, int64_t b, int64_t kv_head, std::byte* memory) const {
    const float *dy = data(run, 0), *q = data(run, 1), *k = data(run, 2), *v = data(run, 3);
    const int64_t length = spec.k.length, dim = spec.q.dim, v_dim = spec.v.dim;
    Arena arena(memory);
    const MatrixProduct product{loops_.products, arena.take(loops_.products.scratch_bytes)};
    float* weights = arena.floats(kBlockRows * length);
    float* capped = arena.floats(kBlockRows * length);
    float* slopes = arena.floats(kBlockRows * length);
    float* turned = arena.floats(kBlockRows * length);
    float* d_query = arena.floats(kBlockRows * dim);
    float* part = arena.floats(length * std::max(dim, v_dim));
    float* d_keys = arena.floats(length * dim);
    float* d_values = arena.floats(length * v_dim);
    std::fill_n(d_keys, length * dim, 0.0f);
    std::fill_n(d_values, length * v_dim, 0.0f);

    for (int64_t head = kv_head * spec.group(); head < (kv_head + 1) * spec.group(); ++head)
      for (int64_t first = 0; first < spec.q.length; first += kBlockRows) {
        const int64_t rows = std::min(kBlockRows, spec.q.length - first), keys = spec.keys_for(first + rows);
        const MatrixView query = head_matrix(q, spec.q, b, head, first, rows);
        const MatrixView key = head_matrix(k, spec.k, b, kv_head, 0, keys);
        const MatrixView value = head_matrix(v, spec.v, b, kv_head, 0, keys);
        const MatrixView d_result = head_matrix(dy, spec.y, b, head, first, rows);
        probabilities(spec, loops_, HeadMask{}, product, query, key, first, weights, capped);
        turn(weights, rows, keys, turned);
        product.by_columns(turned, rows, keys, d_result, part);
        for (int64_t i = 0; i < keys * v_dim; ++i) d_values[i] += part[i];

        product.by_rows(d_result.data, d_result.step, rows, value, slopes);
        score_gradients(spec, weights, capped, rows, keys, slopes);
        product.by_columns(slopes, keys, rows, key, d_query);
        for (int64_t row = 0; row < rows; ++row)
          std::copy_n(d_query + row * dim, dim,
                      run.outputs[0].span<float>().data() + spec.q.offset(b, head, first + row));
        turn(slopes, rows, keys, turned);
        product.by_columns(turned, rows, keys, query, part);
        for (int64_t i = 0; i < keys * dim; ++i) d_keys[i] += part[i];
      }
    for (int64_t key = 0; key < length; ++key) {
      std::copy_n(d_keys + key * dim, dim,
                  run.outputs[1].span<float>().data() + spec.k.offset(b, kv_head, key));
      std::copy_n(d_values + key * v_dim, v_dim,
                  run.outputs[2].span<float>().data() + spec.v.offset(b, kv_head, key));
    }
  }

  static const float* data(const KernelRun& run, size_t input) {
    return run.inputs[input].span<float>().data();
  }

  /// [rows, columns] to [columns, rows].
  static void turn(const float* from, int64_t rows, int64_t columns, float* to) {
    constexpr int64_t kSide = 16;
    for (int64_t c0 = 0; c0 < columns; c0 += kSide)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = c0; c < std::min(c0 + kSide, columns); ++c)
          to[c * rows + row] = from[row * columns + c];
  }

  /// slopes, dP before: P (dP - sum(P dP)) (1 - (t / c)^2) scale.
  static void score_gradients(const Spec& spec, const float* weights, const float* capped, int64_t rows,
                              int64_t keys, float* slopes) {
    for (int64_t row = 0; row < rows; ++row) {
      const float* p = weights + row * keys;
      float* d = slopes + row * keys;
      double mean = 0;
      for (int64_t i = 0; i < keys; ++i) mean += double{p[i]} * d[i];
      const float shift = static_cast<float>(mean);
      for (int64_t i = 0; i < keys; ++i) d[i] = p[i] * (d[i] - shift) * spec.scale;
      if (spec.cap <= 0) continue;
      for (int64_t i = 0; i < keys; ++i) {
        const float t = capped[row * keys + i] / spec.cap;
        d[i] *= 1 - t * t;
      }
    }
  }

  Loops loops_;
  int64_t workers_;
};

Refusal supports_attention(const OpSite& site) {
  if (site.outputs.size() > 1) return "more than Y is asked for";
  if (Refusal refusal = not_all_f32(site, kMask); !refusal.empty()) return refusal;
  if (site.has_input(kMask) && site.inputs[kMask].type.dtype != DType::boolean &&
      site.inputs[kMask].type.dtype != DType::f32)
    return fmt::format("the mask is {}", dtype_name(site.inputs[kMask].type.dtype));
  for (size_t i = kMask + 1; i < site.inputs.size(); ++i)
    if (site.has_input(i)) return i < kValidKeys ? "there is a past" : "the lengths of sequences are given";
  return {};
}
Refusal supports_gradient(const OpSite& site) {
  constexpr size_t mask = kMask + 1;  // the gradient comes first
  if (site.inputs.size() > mask && site.has_input(mask)) return "there is a mask";
  return not_all_f32(site, site.inputs.size());
}

template <class Prepared, const FloatGemmLoops& kProducts, const FloatTileLoops& kTiles,
          const SoftmaxLoops& kSoftmax>
std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool& threads) {
  return std::make_unique<Prepared>(Loops{kProducts, kTiles, kSoftmax}, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel attention_dense_avx512vnni{
    "attention_dense_avx512vnni", "Attention", Isa::avx512vnni, supports_attention,
    prepare<AttentionKernel, float_gemm_avx512vnni, float_tile_avx512vnni, softmax_avx512vnni_loops>};
extern const Kernel attention_dense_avx2{
    "attention_dense_avx2", "Attention", Isa::avx2, supports_attention,
    prepare<AttentionKernel, float_gemm_avx2, float_tile_avx2, softmax_avx2_loops>};
extern const Kernel attention_gradient_avx512vnni{
    "attention_gradient_avx512vnni", "AttentionGradient", Isa::avx512vnni, supports_gradient,
    prepare<AttentionGradientKernel, float_gemm_avx512vnni, float_tile_avx512vnni, softmax_avx512vnni_loops>};
extern const Kernel attention_gradient_avx2{
    "attention_gradient_avx2", "AttentionGradient", Isa::avx2, supports_gradient,
    prepare<AttentionGradientKernel, float_gemm_avx2, float_tile_avx2, softmax_avx2_loops>};
#elif defined(__aarch64__)
extern const Kernel attention_dense_neon{
    "attention_dense_neon", "Attention", Isa::neon, supports_attention,
    prepare<AttentionKernel, float_gemm_neon, float_tile_neon, softmax_neon_loops>};
extern const Kernel attention_gradient_neon{
    "attention_gradient_neon", "AttentionGradient", Isa::neon, supports_gradient,
    prepare<AttentionGradientKernel, float_gemm_neon, float_tile_neon, softmax_neon_loops>};
#endif

}  // namespace halftone::cpu
