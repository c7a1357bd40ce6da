#include "ops/paged_attention/paged_attention.h"

#include <atomic>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>

#include "backend/cpu/float_site.h"
#include "backend/cpu/paged_attention/attention_loops.h"
#include "backend/cpu/paged_attention/attention_tiles.h"
#include "backend/cpu/paged_attention/pieces.h"
#include "backend/kv_reader.h"
#include "base/checked.h"
#include "base/cpu.h"

namespace halftone::cpu {
namespace {

enum Input : size_t { kQuery, kKey, kValue, kSequences, kBlocks, kCache };

/// Tokens whose keys and values are turned into floats at a time.
constexpr int64_t kTileTokens = 64;
/// Query vectors in one piece of work, unless one row has more.
constexpr int64_t kPieceQueries = 64;
/// KV heads that go together where rows are few.
constexpr int64_t kPieceHeads = 8;

/// Hands out consecutive arrays of floats, each a multiple of 64 bytes; with a null base it only counts.
class FloatArena {
 public:
  explicit FloatArena(float* base) : base_(base) {}
  float* take(int64_t count) {
    float* taken = base_ ? base_ + used_ : nullptr;
    used_ += round_up<int64_t>(count, 16);
    return taken;
  }
  int64_t used() const { return used_; }

 private:
  float* base_;
  int64_t used_ = 0;
};

/// Into the second cache.
void fetch(const float* from, int64_t count) {
  constexpr int64_t kLine = 64 / sizeof(float);
  for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(from + i, 0, 2);
}

/// One thread's memory.
struct Scratch {
  float *queries, *sum, *tile, *highest, *total, *scores, *shrink, *code_scales;
  int32_t *first, *last, *code_sums;
  int16_t* codes;
  std::byte* operands;  ///< of AttentionTiles

  Scratch(FloatArena& arena, int64_t count, int64_t padded, size_t operand_bytes)
      : queries(arena.take(count * padded)),
        sum(arena.take(count * padded)),
        tile(arena.take(kTileTokens * padded)),
        highest(arena.take(count)),
        total(arena.take(count)),
        scores(arena.take(count * kTileTokens)),
        shrink(arena.take(count)),
        code_scales(arena.take(count)),
        first(reinterpret_cast<int32_t*>(arena.take(count))),
        last(reinterpret_cast<int32_t*>(arena.take(count))),
        code_sums(reinterpret_cast<int32_t*>(arena.take(count))),
        codes(reinterpret_cast<int16_t*>(arena.take(ceil_div<int64_t>(count * padded, 2)))),
        operands(reinterpret_cast<std::byte*>(
            arena.take(static_cast<int64_t>(ceil_div(operand_bytes, sizeof(float)))))) {}
};

class PagedAttention : public PreparedKernel, public KvReader {
 public:
  PagedAttention(const OpSite& site, const AttentionLoops& loops, ThreadPool& threads)
      : loops_(loops),
        few_(cpu_is_amd() && !cpu_is_zen5() ? loops.few_from_second_cache : loops.few),
        spec_(paged_attention_spec(site)),
        group_(spec_.num_heads / spec_.kv_heads),
        piece_rows_(
            std::max<int64_t>(1, (loops.tiles ? loops.tiles->piece_queries : kPieceQueries) / group_)),
        padded_(round_up<int64_t>(spec_.head_dim, loops.tiles ? AttentionTiles::kDim : kAttentionPadding)),
        workers_(threads.size()) {}

  size_t workspace_bytes(const OpSite& site) const override {
    FloatArena arena(nullptr);
    take_partials(arena, site);
    arena.take(workers_ * scratch_floats(site));
    return static_cast<size_t>(arena.used()) * sizeof(float);
  }

  KvOrder best_order(const KvCache::Layout& layout) const override {
    return loops_.fours && layout.can_lie_in_fours() ? KvOrder::fours : KvOrder::rows;
  }

  void run(const KernelRun& run) const override {
    auto& cache = static_cast<KvCache&>(*run.inputs[kCache].state);
    assert(cache.layout().kv_heads == spec_.kv_heads && cache.layout().head_dim == spec_.head_dim);
    if (cache.layout().order == KvOrder::fours && !loops_.fours)
      throw UnsupportedError("attention: this instruction set reads int8 keys and values in rows only");
    const AttentionPieces pieces(run, spec_, piece_rows_, heads_together(run.site),
                                 cache.layout().block_tokens);
    zero_rows_of_no_sequence(run, pieces);
    store_new_tokens(run, pieces, cache);

    FloatArena arena(reinterpret_cast<float*>(run.workspace.data()));
    float* partials = take_partials(arena, run.site);
    const int64_t count = pieces.count();
    const int64_t workers = std::min<int64_t>({workers_, run.threads.size(), count});
    const int64_t scratch_size = scratch_floats(run.site);
    float* scratch = arena.take(workers_ * scratch_size);
    std::atomic<int64_t> next{0};
    run.threads.parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        FloatArena own(scratch + worker * scratch_size);
        const Scratch memory = scratch_in(own, run.site);
        std::optional<AttentionPiece> before;
        for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
          const AttentionPiece piece = pieces.at(i);
          const QueryTile tile = tile_in(memory, head_queries(piece) * piece.kv_heads);
          if (!before || !before->same_queries(piece)) gather_queries(run, piece, cache, memory, tile);
          before = piece;
          attend(run, piece, tile, cache, memory, partials);
        }
      }
    });
    if (partials) join_parts(run, pieces, partials);
    for_far_blocks(pieces, cache, [&](int block) { cache.close(spec_.layer, block); });
  }

 private:
  /// What a part of a history leaves behind for each query vector: its sum, highest score, total.
  int64_t partial_floats() const { return padded_ + kAttentionPadding; }
  float* take_partials(FloatArena& arena, const OpSite& site) const {
    const int64_t parts = AttentionPieces::most_parts(site);
    if (parts <= 1) return nullptr;
    return arena.take(site.input_shape(kQuery)[0] * spec_.num_heads * parts * partial_floats());
  }
  float* partial(float* partials, const OpSite& site, int64_t row, int64_t head, int64_t part) const {
    const int64_t vector = row * spec_.num_heads + head;
    return partials + (vector * AttentionPieces::most_parts(site) + part) * partial_floats();
  }
  int64_t heads_together(const OpSite& site) const {
    const int64_t rows = site.input_shape(kQuery)[0];
    const bool by_tiles = loops_.tiles && rows * group_ >= loops_.tiles->least_queries;
    return rows > AttentionPieces::kFewRows || by_tiles ? 1 : std::min<int64_t>(kPieceHeads, spec_.kv_heads);
  }
  Scratch scratch_in(FloatArena& arena, const OpSite& site) const {
    const int64_t rows = std::min(piece_rows_, site.input_shape(kQuery)[0]);
    int64_t queries = rows * group_ * heads_together(site);
    if (!loops_.tiles) return {arena, queries, padded_, 0};
    queries = round_up(queries, AttentionTiles::kQueries);
    return {arena, queries, padded_, loops_.tiles->scratch_bytes(queries, padded_)};
  }
  int64_t scratch_floats(const OpSite& site) const {
    FloatArena arena(nullptr);
    scratch_in(arena, site);
    return arena.used();
  }
  int64_t offset(int64_t row, int64_t head) const { return (row * spec_.num_heads + head) * spec_.head_dim; }

  void zero_rows_of_no_sequence(const KernelRun& run, const AttentionPieces& pieces) const {
    int64_t rows = 0;
    for (int64_t s = 0; s < pieces.sequence_count(); ++s) rows += pieces.sequence(s).rows;
    if (rows < run.outputs[0].shape[0]) std::memset(run.outputs[0].data, 0, run.outputs[0].size_bytes());
  }

  void store_new_tokens(const KernelRun& run, const AttentionPieces& pieces, KvCache& cache) const {
    const auto keys = run.inputs[kKey].span<float>();
    const auto values = run.inputs[kValue].span<float>();
    const auto dim = static_cast<size_t>(spec_.head_dim);
    const int block_tokens = cache.layout().block_tokens;
    for (int64_t s = 0; s < pieces.sequence_count(); ++s) {
      const SequenceSpan sequence = pieces.sequence(s);
      const int32_t* blocks = pieces.blocks(s);
      if (codes_by_block(cache.layout().format))
        for (int b = sequence.past / block_tokens; b * block_tokens < sequence.past + sequence.rows; ++b)
          cache.open(spec_.layer, blocks[b], std::max(0, sequence.past - b * block_tokens));
      const int64_t grain = row_grain(int64_t{spec_.kv_heads} * spec_.head_dim);
      run.threads.parallel_for(sequence.rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          for (int head = 0; head < spec_.kv_heads; ++head) {
            const auto at = static_cast<size_t>((sequence.first_row + row) * spec_.kv_heads + head) * dim;
            const int position = sequence.past + static_cast<int>(row);
            cache.store(spec_.layer, blocks[position / block_tokens], head, position % block_tokens,
                        keys.subspan(at, dim), values.subspan(at, dim));
          }
      });
    }
    for_far_blocks(pieces, cache, [&](int block) {
      run.threads.parallel_for(spec_.kv_heads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t head = begin; head < end; ++head)
          cache.encode(spec_.layer, block, static_cast<int>(head));
      });
    });
  }

  /// codes_by_block(): the open blocks that this run's last tokens, and all later ones, read as codes.
  template <class Body>
  void for_far_blocks(const AttentionPieces& pieces, const KvCache& cache, Body body) const {
    for (int64_t s = 0; s < pieces.sequence_count(); ++s) {
      const SequenceSpan sequence = pieces.sequence(s);
      const int far = cache.far_blocks(sequence.past + sequence.rows - 1);
      for (int b = 0; b < far; ++b)
        if (const int block = pieces.blocks(s)[b]; cache.is_open(spec_.layer, block)) body(block);
    }
  }

  /// Query vectors of one head of a piece.
  int64_t head_queries(const AttentionPiece& piece) const { return piece.rows * group_; }
  /// body(i, row, head) for each query vector `i` of a piece, whose row of the sequence and head these are:
  /// heads one behind the other, rows in each.
  template <class Body>
  void for_queries(const AttentionPiece& piece, Body body) const {
    int64_t i = 0;
    for (int64_t kv_head = piece.kv_head; kv_head < piece.kv_head + piece.kv_heads; ++kv_head)
      for (int64_t row = piece.row; row < piece.row + piece.rows; ++row)
        for (int64_t head = kv_head * group_; head < (kv_head + 1) * group_; ++head) body(i++, row, head);
  }

  QueryTile tile_in(const Scratch& scratch, int64_t count) const {
    return {count,          padded_,         scratch.queries,     spec_.softcap,    scratch.first,
            scratch.last,   scratch.highest, scratch.total,       scratch.sum,      scratch.scores,
            scratch.shrink, scratch.codes,   scratch.code_scales, scratch.code_sums};
  }

  /// Copies the piece's queries, scaled and padded.
  void gather_queries(const KernelRun& run, const AttentionPiece& piece, const KvCache& cache,
                      const Scratch& scratch, const QueryTile& tile) const {
    const float* from = run.inputs[kQuery].span<float>().data();
    for_queries(piece, [&](int64_t i, int64_t row, int64_t head) {
      const float* query = from + offset(piece.sequence.first_row + row, head);
      float* to = scratch.queries + i * padded_;
      for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] = query[d] * spec_.scale;
      std::fill(to + spec_.head_dim, to + padded_, 0.0f);
      const auto last = static_cast<int32_t>(piece.sequence.past + row);
      tile.last[i] = last;
      tile.first[i] = spec_.window > 0 ? std::max(0, last - spec_.window + 1) : 0;
    });
    if (cache.layout().format == KvFormat::int8 && reads_stored(piece, cache.layout().format))
      loops_.encode(tile);
  }

  /// Queries stand in the order of their positions: this many of them, from the first, are too near to block
  /// number `index` of their sequence to read its codes.
  static int64_t queries_near(const KvCache& cache, const QueryTile& tile, int64_t index) {
    const auto far = [&](int32_t last) { return cache.far_blocks(last) > index; };
    return std::partition_point(tile.last, tile.last + tile.count, std::not_fn(far)) - tile.last;
  }

  static QueryTile rows(const QueryTile& tile, int64_t begin, int64_t end) {
    QueryTile part = tile;
    part.count = end - begin;
    part.queries += begin * tile.padded_dim;
    part.sum += begin * tile.padded_dim;
    part.first += begin;
    part.last += begin;
    part.highest += begin;
    part.total += begin;
    part.shrink += begin;
    part.codes += begin * tile.padded_dim;
    part.code_scales += begin;
    part.code_sums += begin;
    return part;
  }

  /// The keys and values of one head in one block, as they are stored.
  std::pair<KvTile, KvTile> stored_tiles(KvCache& cache, int block, int head) const {
    const KvCache::Layout& layout = cache.layout();
    KvTile keys{
        cache.keys(spec_.layer, block, head), nullptr, layout.format, spec_.head_dim, padded_, nullptr};
    keys.order = layout.order;
    KvTile values = keys;
    keys.are_keys = true;
    values.stored = cache.values(spec_.layer, block, head);
    if (layout.format == KvFormat::int8) {
      keys.scales = cache.key_scales(spec_.layer, block, head);
      values.scales = cache.value_scales(spec_.layer, block, head);
    }
    return {keys, values};
  }

  /// The same, as codes or as the f16 that is still open.
  std::pair<KvTile, KvTile> tiles(KvCache& cache, int block, int head, bool codes,
                                  const Scratch& scratch) const {
    const KvCache::Layout& layout = cache.layout();
    auto [keys, values] = stored_tiles(cache, block, head);
    keys.floats = values.floats = scratch.tile;
    if (codes_by_block(layout.format) && codes) {
      keys.codes = layout.codes().key_parameters(keys.stored);
      values.codes = layout.codes().value_parameters(values.stored);
    } else if (codes_by_block(layout.format)) {
      keys.format = values.format = KvFormat::f16;
      keys.stored = reinterpret_cast<const std::byte*>(cache.open_keys(spec_.layer, block, head));
      values.stored = reinterpret_cast<const std::byte*>(cache.open_values(spec_.layer, block, head));
    }
    return {keys, values};
  }

  void attend(const KernelRun& run, const AttentionPiece& piece, const QueryTile& tile, KvCache& cache,
              const Scratch& scratch, float* partials) const {
    std::fill_n(tile.highest, tile.count, -HUGE_VALF);
    std::fill_n(tile.total, tile.count, 0.0f);
    std::fill_n(tile.sum, tile.count * padded_, 0.0f);
    const int64_t block_tokens = cache.layout().block_tokens;
    // From the start of a block, wherever the window begins, so that tiles do not depend on the other rows.
    int64_t position = tile.first[0] / block_tokens * block_tokens;
    int64_t end = int64_t{tile.last[tile.count - 1]} + 1;
    if (piece.parts > 1) {
      position = std::max(position, AttentionPieces::part_begin(piece.part) * block_tokens);
      end = std::min(end, AttentionPieces::part_begin(piece.part + 1) * block_tokens);
    }
    if (piece.kv_heads == 1 && has_tiles_for(tile, cache.layout().format))
      attend_by_tiles(tile, piece, cache, position, end, scratch);
    else if (reads_stored(piece, cache.layout().format))
      attend_stored(tile, piece, cache, position, end);
    else
      attend_by_blocks(tile, piece, cache, position, end, scratch);
    if (piece.parts > 1)
      keep_partials(run.site, piece, tile, partials);
    else
      write_results(run, piece, tile);
  }

  static bool read_as_stored(KvFormat format) {
    return format == KvFormat::f16 || format == KvFormat::bf16 || format == KvFormat::int8;
  }
  bool has_tiles_for(const QueryTile& tile, KvFormat format) const {
    return loops_.tiles && tile.count >= loops_.tiles->least_queries && read_as_stored(format);
  }

  void attend_by_tiles(const QueryTile& tile, const AttentionPiece& piece, KvCache& cache, int64_t position,
                       int64_t end, const Scratch& scratch) const {
    const KvCache::Layout& layout = cache.layout();
    const auto head = static_cast<int>(piece.kv_head);
    const int64_t row_bytes = layout.row_bytes();
    StoredRows rows;
    rows.format = layout.format;
    rows.dim = spec_.head_dim;
    auto* unfolded = reinterpret_cast<std::byte*>(scratch.tile);
    loops_.tiles->begin(tile, scratch.operands);
    for (; position < end; position += rows.count) {
      // Up to the same positions wherever the first was, so that tiles do not depend on the other rows.
      rows.count = std::min(StoredRows::kMost - position % StoredRows::kMost, end - position);
      for (int64_t i = 0; i < rows.count;) {
        const int block = piece.blocks[(position + i) / layout.block_tokens];
        int64_t slot = (position + i) % layout.block_tokens;
        const std::byte* keys = cache.keys(spec_.layer, block, head) + slot * row_bytes;
        const std::byte* values = cache.values(spec_.layer, block, head) + slot * row_bytes;
        if (layout.order == KvOrder::fours) {
          const int64_t count = std::min(layout.block_tokens - slot, rows.count - i);
          keys = unfold(keys, true, count, unfolded + i * row_bytes);
          values = unfold(values, false, count, unfolded + (kTileTokens + i) * row_bytes);
        }
        for (; slot < layout.block_tokens && i < rows.count; ++slot, ++i) {
          rows.keys[i] = std::exchange(keys, keys + row_bytes);
          rows.values[i] = std::exchange(values, values + row_bytes);
          if (layout.format != KvFormat::int8) continue;
          rows.key_scales[i] = cache.key_scales(spec_.layer, block, head)[slot];
          rows.value_scales[i] = cache.value_scales(spec_.layer, block, head)[slot];
        }
      }
      loops_.tiles->attend(tile, rows, position, scratch.operands);
    }
  }

  /// Codes in fours as rows at `to`.
  const std::byte* unfold(const std::byte* stored, bool keys, int64_t count, std::byte* to) const {
    const int64_t dim = spec_.head_dim;
    for (int64_t t = 0; t < count; t += kFoursTokens)
      loops_.tiles->unfold(stored + t * dim, keys, dim, to + t * dim);
    return to;
  }

  /// What multiplies codes as integers takes all rows of a short run, so that each is computed as it is
  /// alone.
  bool reads_stored(const AttentionPiece& piece, KvFormat format) const {
    return read_as_stored(format) && spec_.head_dim == padded_ &&
           (head_queries(piece) <= AttentionLoops::kFewQueries ||
            (format == KvFormat::int8 && piece.rows <= AttentionPieces::kFewRows));
  }

  void attend_stored(const QueryTile& tile, const AttentionPiece& piece, KvCache& cache, int64_t position,
                     int64_t end) const {
    while (position < end) {
      const StoredHeads heads = stored_heads(tile, piece, cache, position, end);
      few_(tile, heads);
      position += heads.tokens;
    }
  }

  /// The heads of a piece at positions from `position` on that lie in one block.
  StoredHeads stored_heads(const QueryTile& tile, const AttentionPiece& piece, KvCache& cache,
                           int64_t position, int64_t end) const {
    const KvCache::Layout& layout = cache.layout();
    const int64_t block_tokens = layout.block_tokens, row_bytes = layout.row_bytes();
    const int64_t head_bytes = block_tokens * row_bytes, front_bytes = layout.front_bytes();
    const int64_t slot = position % block_tokens;
    const int64_t tokens = std::min({kTileTokens, block_tokens - slot, end - position});
    const auto head = static_cast<int>(piece.kv_head);
    const auto [keys, values] = stored_tiles(cache, piece.blocks[position / block_tokens], head);
    const auto before_keys = [&](const std::byte* stored, int64_t at) {
      return stored + at % block_tokens * row_bytes - front_bytes;
    };
    const std::byte* after = before_keys(keys.stored, position);
    // Behind a part the next one, which is often this thread's too.
    const int64_t next = position + tokens;
    if (next <= tile.last[tile.count - 1]) {
      const int block = piece.blocks[next / block_tokens];
      after = before_keys(cache.keys(spec_.layer, block, head), next);
      if (keys.scales && front_bytes == 0) {
        fetch(cache.key_scales(spec_.layer, block, head), piece.kv_heads * block_tokens);
        fetch(cache.value_scales(spec_.layer, block, head), piece.kv_heads * block_tokens);
      }
    }
    const int64_t key_stride = head_bytes + front_bytes;
    const int64_t scale_stride =
        front_bytes > 0 ? key_stride / static_cast<int64_t>(sizeof(float)) : block_tokens;
    const auto scales = [&](const float* first) { return first ? first + slot : nullptr; };
    return {layout.format,
            layout.order,
            {keys.stored + slot * row_bytes, key_stride, scales(keys.scales), scale_stride},
            {values.stored + slot * row_bytes, head_bytes, scales(values.scales), scale_stride},
            front_bytes,
            after,
            piece.kv_heads,
            head_queries(piece),
            position,
            tokens};
  }

  void attend_by_blocks(const QueryTile& tile, const AttentionPiece& piece, KvCache& cache, int64_t position,
                        int64_t end, const Scratch& scratch) const {
    const int64_t block_tokens = cache.layout().block_tokens;
    const KvFormat format = cache.layout().format;
    while (position < end) {
      const int block = piece.blocks[position / block_tokens];
      const int64_t slot = position % block_tokens;
      const int64_t tokens = std::min({kTileTokens, block_tokens - slot, end - position});
      const bool open = codes_by_block(format) && cache.is_open(spec_.layer, block);
      for (int64_t head = 0; head < piece.kv_heads; ++head) {
        const QueryTile own = rows(tile, head * head_queries(piece), (head + 1) * head_queries(piece));
        const int64_t near = queries_near(cache, own, position / block_tokens);
        auto attend_some = [&](bool codes, int64_t from, int64_t to) {
          if (from >= to) return;
          const auto [keys, values] =
              tiles(cache, block, static_cast<int>(piece.kv_head + head), codes, scratch);
          const QueryTile part = rows(own, from, to);
          loops_.score(part, keys, slot, position, tokens);
          loops_.add(part, values, slot, position, tokens);
        };
        if (open) {
          attend_some(false, 0, near);
          attend_some(true, near, own.count);
        } else {
          attend_some(true, 0, own.count);
        }
      }
      position += tokens;
    }
  }

  void write_results(const KernelRun& run, const AttentionPiece& piece, const QueryTile& tile) const {
    float* out = run.outputs[0].span<float>().data();
    for_queries(piece, [&](int64_t i, int64_t row, int64_t head) {
      float* to = out + offset(piece.sequence.first_row + row, head);
      const float inverse = 1.0f / tile.total[i];
      for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] = tile.sum[i * padded_ + d] * inverse;
    });
  }

  void keep_partials(const OpSite& site, const AttentionPiece& piece, const QueryTile& tile,
                     float* partials) const {
    for_queries(piece, [&](int64_t i, int64_t row, int64_t head) {
      float* to = partial(partials, site, piece.sequence.first_row + row, head, piece.part);
      std::copy_n(tile.sum + i * padded_, padded_, to);
      to[padded_] = tile.highest[i];
      to[padded_ + 1] = tile.total[i];
    });
  }

  void join_parts(const KernelRun& run, const AttentionPieces& pieces, float* partials) const {
    for (int64_t s = 0; s < pieces.sequence_count(); ++s) {
      const int64_t parts = pieces.parts(s);
      if (parts == 1) continue;
      const SequenceSpan sequence = pieces.sequence(s);
      const int64_t heads = spec_.num_heads;
      run.threads.parallel_for(sequence.rows * heads, row_grain(parts * padded_),
                               [&](int64_t begin, int64_t end) {
                                 for (int64_t i = begin; i < end; ++i) {
                                   const int64_t row = sequence.first_row + i / heads, head = i % heads;
                                   join(partial(partials, run.site, row, head, 0), parts,
                                        run.outputs[0].span<float>().data() + offset(row, head));
                                 }
                               });
    }
  }

  void join(const float* parts, int64_t count, float* to) const {
    float highest = -HUGE_VALF;
    for (int64_t p = 0; p < count; ++p) highest = std::max(highest, parts[p * partial_floats() + padded_]);
    float total = 0;
    std::fill_n(to, spec_.head_dim, 0.0f);
    for (int64_t p = 0; p < count; ++p) {
      const float* part = parts + p * partial_floats();
      const float share = std::exp(part[padded_] - highest);  // 0 for a part that the window hides whole
      total += share * part[padded_ + 1];
      for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] += share * part[d];
    }
    const float inverse =
        1.0f / total;  // as write_results() does it, so that a part of nothing changes no bit
    for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] *= inverse;
  }

  const AttentionLoops& loops_;
  AttentionLoops::Few few_;
  PagedAttentionSpec spec_;
  int64_t group_;  ///< query heads that share one KV head
  int64_t piece_rows_;
  int64_t padded_;  ///< head_dim, padded
  int64_t workers_;
};

Refusal supports(const OpSite& site) {
  return not_all_f32(site, 3);
}

template <const AttentionLoops& kLoops>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool& threads) {
  return std::make_unique<PagedAttention>(site, kLoops, threads);
}

}  // namespace

#if defined(__x86_64__)
extern const Kernel paged_attention_amx{"paged_attention_amx", "PagedAttention", Isa::amx, supports,
                                        prepare<attention_amx>};
extern const Kernel paged_attention_avx512vnni{"paged_attention_avx512vnni", "PagedAttention",
                                               Isa::avx512vnni, supports, prepare<attention_avx512vnni>};
extern const Kernel paged_attention_avxvnni{"paged_attention_avxvnni", "PagedAttention", Isa::avxvnni,
                                            supports, prepare<attention_avxvnni>};
extern const Kernel paged_attention_avx2{"paged_attention_avx2", "PagedAttention", Isa::avx2, supports,
                                         prepare<attention_avx2>};
#elif defined(__aarch64__)
extern const Kernel paged_attention_neon{"paged_attention_neon", "PagedAttention", Isa::neon, supports,
                                         prepare<attention_neon>};
#endif

}  // namespace halftone::cpu
