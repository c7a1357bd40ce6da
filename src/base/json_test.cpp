#include "base/json.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(Json, HostileTextIsRefused) {
  EXPECT_THROW(parse_json("{\"a\": 1,", "t"), InputError);
  EXPECT_THROW(parse_json("{\"a\": 1, \"a\": 2}", "t"), InputError);
  EXPECT_THROW(parse_json(std::string(100000, '['), "t"), InputError);
  EXPECT_NO_THROW(parse_json("{\"a\": {\"a\": 1}, \"b\": [{\"a\": 2}]}", "t"));
}

TEST(Json, IntegersAreWholeAndInRange) {
  const Json json = parse_json("{\"half\": 1.5, \"big\": 18446744073709551615, \"neg\": -1, \"n\": 7}", "t");
  EXPECT_EQ(json_get<int>(json, "n", "t"), 7);
  EXPECT_THROW(json_get<int64_t>(json, "half", "t"), InputError);
  EXPECT_THROW(json_get<int64_t>(json, "big", "t"), InputError);
  EXPECT_THROW(json_get<uint32_t>(json, "neg", "t"), InputError);
  EXPECT_EQ(json_get<uint64_t>(json, "big", "t"), 18446744073709551615u);
  EXPECT_THROW(json_get<int>(json, "none", "t"), InputError);
  EXPECT_EQ(json_get_or(json, "none", 3, "t"), 3);
}

}  // namespace
}  // namespace halftone
