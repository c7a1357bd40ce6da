#include "ops/op_schema.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

namespace halftone {
namespace {

TEST(OpSchemas, AreComplete) {
  std::set<std::string_view> names;
  for (const OpSchema* schema : op_schemas()) {
    SCOPED_TRACE(schema->name);
    EXPECT_TRUE(names.insert(schema->name).second) << "the name is taken";
    EXPECT_TRUE(schema->domain.empty() || schema->domain == "halftone");
    EXPECT_FALSE(schema->inputs.empty());
    EXPECT_FALSE(schema->outputs.empty());
    EXPECT_TRUE(schema->infer);
    EXPECT_TRUE(schema->cost);
    EXPECT_TRUE(schema->reference);
    EXPECT_EQ(find_op(schema->name), schema);
  }
  EXPECT_EQ(find_op("NoSuchOperator"), nullptr);
}

/// A plan cache tells graphs apart by their texts.
TEST(AttributeText, HasEveryDigit) {
  EXPECT_EQ(attribute_text(1e-5f), "1e-05");
  EXPECT_EQ(attribute_text(0.1f), "0.1");
  EXPECT_EQ(attribute_text(std::nextafter(0.1f, 1.0f)), "0.10000001");
  EXPECT_EQ(attribute_text(std::vector<float>{1, 16777215}), "[1, 16777215]");
}

}  // namespace
}  // namespace halftone
