#include "quant/structure/scale_groups.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "base/file.h"
#include "golden_family.h"
#include "models/model.h"

namespace halftone {
namespace {

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("src/models/testdata")))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

class ScaleGroupsOf : public testing::TestWithParam<std::string> {};

/// The groups of every family's graph, as text. A new family gets its golden by HALFTONE_WRITE_GOLDENS=1.
TEST_P(ScaleGroupsOf, MatchesTheGolden) {
  const GoldenFamily family = load_golden_family(GetParam());
  const Graph graph = build_llm(family.checkpoint, {.context = family.context});
  const std::string text = scale_groups_text(graph, find_scale_groups(graph));
  const fs::path golden = source_path("tests/testdata/scale_groups") / (GetParam() + ".txt");
  if (std::getenv("HALFTONE_WRITE_GOLDENS")) {
    AtomicFile file(golden);
    file.write(text);
    file.commit();
  }
  EXPECT_EQ(text, read_text(golden, 1 << 20));
}

INSTANTIATE_TEST_SUITE_P(Families, ScaleGroupsOf, testing::ValuesIn(families()),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace halftone
