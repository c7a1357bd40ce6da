#include "backend/cuda/attention/stored_heads_kernels.h"
#include "backend/cuda/gemm/power_of_two.h"

namespace halftone::cuda {
namespace {

/// What a block has of one side: a chunk of a head.
struct HeadsChunk {
  const StoredHeadsArgs& args;
  const HeadsSide& side;
  int sequence, head;

  DEVICE_MEMBER explicit HeadsChunk(const StoredHeadsArgs& all)
      : args(all),
        side(all.sides[block_z() / all.sequences]),
        sequence(block_z() % all.sequences),
        head(block_y()) {}

  DEVICE_MEMBER int chunks() const { return (args.length + kHeadsChunk - 1) / kHeadsChunk; }
  /// Number of the head among both sides'.
  DEVICE_MEMBER int number() const { return block_z() * args.heads + head; }

  /// Calls with each pair of the first `width` numbers of its positions, zeros behind dim, and where it goes.
  /// A warp has a position.
  template <class T, class Pair, class Use>
  DEVICE_MEMBER void each_pair(int width, Use use) const {
    const int end = args.valid && args.valid[sequence] < args.length ? static_cast<int>(args.valid[sequence])
                                                                     : args.length;
    for (int p = warp(); p < kHeadsChunk; p += block_warps()) {
      const int place = block_x() * kHeadsChunk + p;
      if (place >= args.length) break;
      const bool is_older = place < args.past;
      const HeadsView& at = is_older ? side.older_at : side.fresh_at;
      const T* from = static_cast<const T*>(is_older ? side.older : side.fresh) + sequence * at.sequence +
                      int64_t{is_older ? place : place - args.past} * at.row + head * at.head;
      const int64_t to = ((int64_t{sequence} * args.heads + head) * args.length + place) * side.padded;
      for (int d = 2 * lane(); d < width; d += 2 * kWarp)
        use(place < end && d < side.dim ? load_wide<Pair>(from + d) : Pair{}, to + d);
    }
  }
};

}  // namespace

DEVICE_KERNEL(heads_largest, StoredHeadsArgs) {
  const HeadsChunk chunk(args);
  int largest = 0;
  chunk.each_pair<float, Vec2>(chunk.side.dim, [&](const Vec2& pair, int64_t) {
    const int x = magnitude_bits(pair.x), y = magnitude_bits(pair.y);
    largest = x > largest ? x : largest;
    largest = y > largest ? y : largest;
  });
  largest = block_max(largest, shared_memory<int>(0));
  if (thread() == 0) args.largest[int64_t{chunk.number()} * chunk.chunks() + block_x()] = largest;
}

DEVICE_KERNEL(heads_as_f16, StoredHeadsArgs) {
  const HeadsChunk chunk(args);
  const int chunks = chunk.chunks();
  const int* found = args.largest + int64_t{chunk.number()} * chunks;
  int largest = 0;
  for (int i = thread(); i < chunks; i += block_threads()) largest = found[i] > largest ? found[i] : largest;
  const HalfRange range = half_range(block_max(largest, shared_memory<int>(0)));
  if (block_x() == 0 && thread() == 0) chunk.side.back[chunk.sequence * args.heads + chunk.head] = range.back;
  chunk.each_pair<float, Vec2>(chunk.side.padded, [&](const Vec2& pair, int64_t to) {
    store_wide(chunk.side.to + to, f16x2_of(pair.x * range.scale, pair.y * range.scale));
  });
}

DEVICE_KERNEL(heads_as_they_are, StoredHeadsArgs) {
  const HeadsChunk chunk(args);
  chunk.each_pair<uint16_t, uint32_t>(
      chunk.side.padded, [&](uint32_t pair, int64_t to) { store_wide(chunk.side.to + to, pair); });
}

}  // namespace halftone::cuda
