#include "eval/average_precision.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "shared_files.h"

namespace halftone {
namespace {

CocoBox box_of(const Json& row) {
  return {row[2].get<double>(), row[3].get<double>(), row[4].get<double>(), row[5].get<double>()};
}

TEST(AveragePrecision, IsThatOfPycocotools) {
  const Json cases = read_json(source_path("src/eval/testdata/average_precision.json"));
  ASSERT_EQ(cases.size(), 3u);
  for (const Json& one : cases) {
    std::vector<TrueBox> truth;
    std::vector<FoundBox> found;
    for (const Json& row : one["truth"]) truth.push_back({row[0], row[1], box_of(row), row[6], row[7] != 0});
    for (const Json& row : one["found"]) found.push_back({row[0], row[1], box_of(row), row[6]});
    const AveragePrecision result = average_precision(truth, found);
    const double values[] = {result.ap,       result.ap50,      result.ap75,
                             result.ap_small, result.ap_medium, result.ap_large};
    for (size_t i = 0; i < std::size(values); ++i)
      EXPECT_NEAR(values[i], one["expected"][i].get<double>(), 1e-9) << i;
  }
}

TEST(AveragePrecision, NothingToFind) {
  const FoundBox found[] = {{1, 1, {0, 0, 10, 10}, 0.5}};
  EXPECT_EQ(average_precision(std::span<const TrueBox>(), found).ap, -1);
  const TrueBox truth[] = {{1, 1, {0, 0, 10, 10}, 100, false}};
  EXPECT_EQ(average_precision(truth, std::span<const FoundBox>()).ap, 0);
  EXPECT_NEAR(average_precision(truth, found).ap, 1, 1e-9);
  EXPECT_EQ(average_precision(truth, found).ap_large, -1);
}

}  // namespace
}  // namespace halftone
