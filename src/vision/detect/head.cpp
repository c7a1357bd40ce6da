#include "vision/detect/head.h"

#include <fmt/ranges.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/suggest.h"

namespace halftone {

#define HALFTONE_HEAD(name) extern const DetectionHead name;
#include "vision/detect/heads.inc"
#undef HALFTONE_HEAD

namespace {

constexpr const DetectionHead* kHeads[] = {
#define HALFTONE_HEAD(name) &name,
#include "vision/detect/heads.inc"
#undef HALFTONE_HEAD
};

std::vector<std::string> head_names() {
  std::vector<std::string> names;
  for (const DetectionHead* head : kHeads) names.emplace_back(head->name);
  return names;
}

}  // namespace

std::span<const DetectionHead* const> detection_heads() {
  return kHeads;
}

const DetectionHead& find_head(const HeadSite& site, const std::string& name) {
  for (const DetectionHead* head : kHeads)
    if (name.empty() ? head->classes(site) > 0 : head->name == name) {
      if (head->classes(site) > 0) return *head;
      throw UnsupportedError("--head {}: the model's outputs do not look like it", name);
    }
  const std::vector<std::string> names = head_names();
  if (!name.empty())
    throw UsageError("--head {}: no such head{} (known: {})", name, did_you_mean(name, names),
                     fmt::join(names, ", "));
  std::vector<std::string> shapes;
  for (const Shape& shape : site.outputs) shapes.push_back(shape.str());
  throw UnsupportedError("outputs of {} for an input of {} x {} are of no detection head that is known ({})",
                         fmt::join(shapes, ", "), site.height, site.width, fmt::join(names, ", "));
}

std::vector<Level> levels_of(const HeadSite& site, std::span<const int> strides) {
  std::vector<Level> levels;
  int64_t first = 0;
  for (int stride : strides) {
    levels.push_back({stride, ceil_div(site.height, stride), ceil_div(site.width, stride), first});
    first += levels.back().cells();
  }
  return levels;
}

int64_t total_cells(std::span<const Level> levels) {
  return levels.empty() ? 0 : levels.back().first + levels.back().cells();
}

}  // namespace halftone
