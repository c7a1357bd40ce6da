#include "eval/average_precision.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace halftone {
namespace {

constexpr int kOverlaps = 10;
constexpr int kRecalls = 101;
constexpr size_t kMostBoxes = 100;

// To the last bit as pycocotools has them, since recalls are compared with >=.
double overlap_threshold(int i) {
  return 0.5 + i * ((0.95 - 0.5) / (kOverlaps - 1));
}
double recall_threshold(int i) {
  return i * 0.01;
}

struct AreaRange {
  double least, most;
  bool contains(double area) const { return area >= least && area <= most; }
};
constexpr AreaRange kRanges[] = {{0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};
constexpr size_t kRangeCount = std::size(kRanges);

/// Shared area over the area of both together; of the found box alone when the true one is a crowd.
double overlap(const CocoBox& found, const TrueBox& truth) {
  const CocoBox& box = truth.box;
  const double width = std::min(found[0] + found[2], box[0] + box[2]) - std::max(found[0], box[0]);
  const double height = std::min(found[1] + found[3], box[1] + box[3]) - std::max(found[1], box[1]);
  if (width <= 0 || height <= 0) return 0;
  const double shared = width * height;
  const double own = found[2] * found[3];
  return shared / (truth.crowd ? own : own + box[2] * box[3] - shared);
}

/// What one picture holds of one category.
struct Picture {
  std::vector<const TrueBox*> truth;
  std::vector<const FoundBox*> found;  ///< best first after prepare()
  std::vector<double> overlaps;        ///< [found, truth]

  void prepare() {
    std::stable_sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->score > b->score; });
    if (found.size() > kMostBoxes) found.resize(kMostBoxes);
    for (const FoundBox* f : found)
      for (const TrueBox* t : truth) overlaps.push_back(overlap(f->box, *t));
  }
  double overlap_of(size_t f, size_t t) const { return overlaps[f * truth.size() + t]; }
};

/// A found box at one overlap and range of areas.
struct Verdict {
  double score;
  bool right;
  bool ignored;
};

/// Matches found boxes, best first, each with the free true box that it overlaps most. True boxes out of the
/// range are ignored: they are taken when no other will do, and whoever takes one is ignored too.
void judge(const Picture& picture, const AreaRange& range, double threshold, std::vector<Verdict>& verdicts) {
  std::vector<size_t> order(picture.truth.size());
  std::iota(order.begin(), order.end(), size_t{0});
  auto ignored = [&](size_t t) { return picture.truth[t]->crowd || !range.contains(picture.truth[t]->area); };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ignored(a) < ignored(b); });
  std::vector<bool> taken(picture.truth.size());
  for (size_t f = 0; f < picture.found.size(); ++f) {
    double best = std::min(threshold, 1 - 1e-10);
    const size_t none = picture.truth.size();
    size_t match = none;
    for (size_t t : order) {
      if (taken[t] && !picture.truth[t]->crowd) continue;
      if (match != none && !ignored(match) && ignored(t)) break;
      if (picture.overlap_of(f, t) < best) continue;
      best = picture.overlap_of(f, t);
      match = t;
    }
    const CocoBox& box = picture.found[f]->box;
    const bool matched = match != none;
    if (matched) taken[match] = true;
    verdicts.push_back(
        {picture.found[f]->score, matched, matched ? ignored(match) : !range.contains(box[2] * box[3])});
  }
}

/// The area under precision over recall, precision made falling, at 101 recalls.
double area_under_curve(std::vector<Verdict> verdicts, size_t objects) {
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
  std::vector<double> recall, precision;
  double right = 0, wrong = 0;
  for (const Verdict& verdict : verdicts) {
    if (!verdict.ignored) (verdict.right ? right : wrong) += 1;
    recall.push_back(right / static_cast<double>(objects));
    precision.push_back(right / (right + wrong + std::numeric_limits<double>::epsilon()));
  }
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (int i = 0; i < kRecalls; ++i) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), recall_threshold(i)) - recall.begin();
    if (static_cast<size_t>(at) < precision.size()) sum += precision[static_cast<size_t>(at)];
  }
  return sum / kRecalls;
}

/// Sums over categories, by range and overlap.
struct Totals {
  double sum[kRangeCount][kOverlaps] = {};
  int categories[kRangeCount] = {};

  void add(const std::map<int64_t, Picture>& pictures) {
    for (size_t r = 0; r < kRangeCount; ++r) {
      size_t objects = 0;
      for (const auto& [id, picture] : pictures)
        for (const TrueBox* t : picture.truth) objects += !t->crowd && kRanges[r].contains(t->area);
      if (objects == 0) continue;
      ++categories[r];
      for (int i = 0; i < kOverlaps; ++i) {
        std::vector<Verdict> verdicts;
        for (const auto& [id, picture] : pictures) judge(picture, kRanges[r], overlap_threshold(i), verdicts);
        sum[r][i] += area_under_curve(std::move(verdicts), objects);
      }
    }
  }
  double mean(size_t range, int overlap) const {
    return categories[range] ? sum[range][overlap] / categories[range] : -1;
  }
  double mean(size_t range) const {
    double total = 0;
    for (int i = 0; i < kOverlaps; ++i) total += mean(range, i);
    return total / kOverlaps;
  }
};

}  // namespace

AveragePrecision average_precision(std::span<const TrueBox> truth, std::span<const FoundBox> found) {
  std::map<int64_t, std::map<int64_t, Picture>> categories;
  for (const TrueBox& box : truth) categories[box.category][box.image].truth.push_back(&box);
  for (const FoundBox& box : found) categories[box.category][box.image].found.push_back(&box);
  Totals totals;
  for (auto& [category, pictures] : categories) {
    for (auto& [id, picture] : pictures) picture.prepare();
    totals.add(pictures);
  }
  return {totals.mean(0), totals.mean(0, 0), totals.mean(0, 5),
          totals.mean(1), totals.mean(2),    totals.mean(3)};
}

}  // namespace halftone
