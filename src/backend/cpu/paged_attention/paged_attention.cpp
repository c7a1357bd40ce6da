#include "ops/paged_attention/paged_attention.h"

#include <atomic>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>
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
/// Few queries fetch heads that are read at least so many bytes later.
constexpr int64_t kFetchBytes = 8192;
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
void fetch(const void* from, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64)
    __builtin_prefetch(static_cast<const std::byte*>(from) + line, 0, 2);
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
        for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;)
          attend(run, pieces.at(i), cache, memory, partials);
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
  /// Where query vector `i` of a piece, and its result, stand: heads one behind the other, rows in each.
  struct Place {
    int64_t row, head;
  };
  Place place(const AttentionPiece& piece, int64_t i) const {
    const int64_t within = i % head_queries(piece);
    return {piece.row + within / group_,
            (piece.kv_head + i / head_queries(piece)) * group_ + within % group_};
  }

  /// Copies the piece's queries, scaled and padded, and clears what is known of them.
  QueryTile gather_queries(const KernelRun& run, const AttentionPiece& piece, const Scratch& scratch) const {
    const float* from = run.inputs[kQuery].span<float>().data();
    const int64_t count = head_queries(piece) * piece.kv_heads;
    for (int64_t i = 0; i < count; ++i) {
      const auto [row, head] = place(piece, i);
      const float* query = from + offset(piece.sequence.first_row + row, head);
      float* to = scratch.queries + i * padded_;
      for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] = query[d] * spec_.scale;
      std::fill(to + spec_.head_dim, to + padded_, 0.0f);
      const auto last = static_cast<int32_t>(piece.sequence.past + row);
      scratch.last[i] = last;
      scratch.first[i] = spec_.window > 0 ? std::max(0, last - spec_.window + 1) : 0;
      scratch.highest[i] = -HUGE_VALF;
      scratch.total[i] = 0;
    }
    std::fill_n(scratch.sum, count * padded_, 0.0f);
    return {count,          padded_,         scratch.queries,     spec_.softcap,    scratch.first,
            scratch.last,   scratch.highest, scratch.total,       scratch.sum,      scratch.scores,
            scratch.shrink, scratch.codes,   scratch.code_scales, scratch.code_sums};
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
      values.scales = keys.value_scales = cache.value_scales(spec_.layer, block, head);
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

  void attend(const KernelRun& run, const AttentionPiece& piece, KvCache& cache, const Scratch& scratch,
              float* partials) const {
    const QueryTile tile = gather_queries(run, piece, scratch);
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

  /// Few queries of all heads of a piece. Of each block the keys of all heads, then their values, in the
  /// order in which they lie.
  void attend_stored(const QueryTile& tile, const AttentionPiece& piece, KvCache& cache, int64_t position,
                     int64_t end) const {
    const KvFormat format = cache.layout().format;
    const int64_t block_tokens = cache.layout().block_tokens, row_bytes = cache.layout().row_bytes();
    const auto head = static_cast<int>(piece.kv_head);
    if (format == KvFormat::int8) loops_.encode(tile);
    while (position < end) {
      const int64_t slot = position % block_tokens;
      const int64_t tokens = std::min({kTileTokens, block_tokens - slot, end - position});
      auto stored = stored_tiles(cache, piece.blocks[position / block_tokens], head);
      KvTile &keys = stored.first, &values = stored.second;
      // Behind a part the next one, which is often this thread's too.
      const std::byte* after = nullptr;
      const int64_t next = position + tokens;
      if (next <= tile.last[tile.count - 1]) {
        const int next_block = piece.blocks[next / block_tokens];
        after = cache.keys(spec_.layer, next_block, head) + next % block_tokens * row_bytes;
        if (format == KvFormat::int8) {
          const int64_t bytes = piece.kv_heads * block_tokens * static_cast<int64_t>(sizeof(float));
          fetch(cache.key_scales(spec_.layer, next_block, head), bytes);
          fetch(cache.value_scales(spec_.layer, next_block, head), bytes);
        }
      }
      const std::byte* first_values = values.stored + slot * row_bytes;
      for_heads(tile, piece, cache, keys, slot, first_values,
                [&](const QueryTile& few, const std::byte* fetched) {
                  few_.score(few, keys, fetched, slot, position, tokens);
                });
      for_heads(tile, piece, cache, values, slot, after, [&](const QueryTile& few, const std::byte* fetched) {
        few_.add(few, values, fetched, slot, position, tokens);
      });
      position = next;
    }
  }

  /// body(queries, what is read next) for few queries at a time of each head of a piece, whose rows `stored`
  /// goes through. `after` is the first head's of what is read behind the last.
  template <class Body>
  void for_heads(const QueryTile& tile, const AttentionPiece& piece, const KvCache& cache, KvTile& stored,
                 int64_t slot, const std::byte* after, Body body) const {
    const int64_t block_tokens = cache.layout().block_tokens, row_bytes = cache.layout().row_bytes();
    const int64_t queries = head_queries(piece), head_bytes = block_tokens * row_bytes;
    const int64_t lead = std::min(ceil_div(kFetchBytes, head_bytes), piece.kv_heads);
    for (int64_t h = 0; h < piece.kv_heads; ++h) {
      const int64_t beyond = h + lead - piece.kv_heads;
      const std::byte* next = beyond < 0 ? stored.stored + lead * head_bytes + slot * row_bytes
                              : after    ? after + beyond * head_bytes
                                         : nullptr;
      for (int64_t query = h * queries; query < (h + 1) * queries; query += AttentionLoops::kFewQueries) {
        QueryTile few = rows(tile, query, std::min(query + AttentionLoops::kFewQueries, (h + 1) * queries));
        few.scores += query * kTileTokens;
        body(few, next);
      }
      stored.stored += head_bytes;
      if (stored.scales) stored.scales += block_tokens;
      if (stored.value_scales) stored.value_scales += block_tokens;
    }
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
    for (int64_t i = 0; i < tile.count; ++i) {
      const auto [row, head] = place(piece, i);
      float* to = out + offset(piece.sequence.first_row + row, head);
      const float inverse = 1.0f / tile.total[i];
      for (int64_t d = 0; d < spec_.head_dim; ++d) to[d] = tile.sum[i * padded_ + d] * inverse;
    }
  }

  void keep_partials(const OpSite& site, const AttentionPiece& piece, const QueryTile& tile,
                     float* partials) const {
    for (int64_t i = 0; i < tile.count; ++i) {
      const auto [row, head] = place(piece, i);
      float* to = partial(partials, site, piece.sequence.first_row + row, head, piece.part);
      std::copy_n(tile.sum + i * padded_, padded_, to);
      to[padded_] = tile.highest[i];
      to[padded_ + 1] = tile.total[i];
    }
  }

  void join_parts(const KernelRun& run, const AttentionPieces& pieces, float* partials) const {
    for (int64_t s = 0; s < pieces.sequence_count(); ++s) {
      const int64_t parts = pieces.parts(s);
      if (parts == 1) continue;
      const SequenceSpan sequence = pieces.sequence(s);
      for (int64_t row = sequence.first_row; row < sequence.first_row + sequence.rows; ++row)
        for (int64_t head = 0; head < spec_.num_heads; ++head)
          join(partial(partials, run.site, row, head, 0), parts,
               run.outputs[0].span<float>().data() + offset(row, head));
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
  const AttentionLoops::Few& few_;
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
