#include "ops/op_schema.h"

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

}  // namespace
}  // namespace halftone
