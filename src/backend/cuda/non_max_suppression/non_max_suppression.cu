#include "backend/cuda/non_max_suppression/non_max_suppression_kernels.h"

namespace halftone::cuda {
namespace {

struct Box {
  float y1, x1, y2, x2;
};

DEVICE float lesser(float a, float b) {
  return b < a ? b : a;
}
DEVICE float greater(float a, float b) {
  return a < b ? b : a;
}

DEVICE Box box_at(const float* box, bool centre) {
  if (centre) {
    const float half_width = box[2] / 2, half_height = box[3] / 2;
    return {box[1] - half_height, box[0] - half_width, box[1] + half_height, box[0] + half_width};
  }
  return {lesser(box[0], box[2]), lesser(box[1], box[3]), greater(box[0], box[2]), greater(box[1], box[3])};
}

DEVICE float area(const Box& box) {
  return product(box.y2 - box.y1, box.x2 - box.x1);
}

/// Intersection over union, rounding for rounding as the reference.
DEVICE float overlap(const Box& a, const Box& b) {
  const float height = lesser(a.y2, b.y2) - greater(a.y1, b.y1);
  const float width = lesser(a.x2, b.x2) - greater(a.x1, b.x1);
  if (!(height > 0 && width > 0) || area(a) <= 0 || area(b) <= 0) return 0;
  const float both = product(height, width);
  const float either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

/// The better of two boxes: of higher score, or the first of equal ones. None is -1.
struct Best {
  float score;
  int box;
};
DEVICE Best better(const Best& a, const Best& b) {
  if (a.box < 0) return b;
  if (b.box < 0) return a;
  if (a.score != b.score) return a.score > b.score ? a : b;
  return a.box < b.box ? a : b;
}

}  // namespace

DEVICE_KERNEL(suppress_kernel, SuppressArgs) {
  const Shared<float> scores_of_warps = shared_memory<float>(0);
  const Shared<int> boxes_of_warps = shared_memory<int>(kWarp * 4);
  const int64_t row = int64_t{block_y()} * args.classes + block_x();
  const float* scores = args.scores + row * args.count;
  const float* boxes = args.boxes + int64_t{block_y()} * args.count * 4;
  uint8_t* alive = args.alive + row * args.count;
  const int64_t most = args.most ? *args.most : 0;
  const float limit = args.overlap ? *args.overlap : 0;

  for (int i = thread(); i < args.count; i += block_threads())  // each thread meets only its own boxes
    alive[i] = scores[i] == scores[i] && (!args.least_score || scores[i] > *args.least_score);
  int kept = 0;
  while (kept < most) {
    Best best{0, -1};
    for (int i = thread(); i < args.count; i += block_threads())
      if (alive[i]) best = better(best, {scores[i], i});
    UNROLL
    for (int mask = kWarp / 2; mask > 0; mask /= 2)
      best = better(best, {shuffle_xor(best.score, mask), shuffle_xor(best.box, mask)});
    if (lane() == 0) {
      scores_of_warps[warp()] = best.score;
      boxes_of_warps[warp()] = best.box;
    }
    sync_block();
    best = {0, -1};
    for (int w = 0; w < block_warps(); ++w) best = better(best, {scores_of_warps[w], boxes_of_warps[w]});
    sync_block();
    if (best.box < 0) break;
    if (thread() == 0) args.chosen[row * args.count + kept] = best.box;
    ++kept;
    const Box taken = box_at(boxes + int64_t{best.box} * 4, args.centre);
    for (int i = thread(); i < args.count; i += block_threads())
      if (alive[i] && (i == best.box || overlap(box_at(boxes + int64_t{i} * 4, args.centre), taken) > limit))
        alive[i] = 0;
  }
  if (thread() == 0) args.counts[row] = kept;
}

DEVICE_KERNEL(gather_chosen_kernel, GatherChosenArgs) {
  const int64_t row = int64_t{block_y()} * args.classes + block_x();
  int64_t first = 0;
  for (int64_t r = 0; r < row; ++r) first += args.counts[r];
  for (int i = thread(); i < args.counts[row]; i += block_threads()) {
    if (first + i >= args.rows) return;
    int64_t* to = args.selected + (first + i) * 3;
    to[0] = block_y();
    to[1] = block_x();
    to[2] = args.chosen[row * args.count + i];
  }
}

}  // namespace halftone::cuda
