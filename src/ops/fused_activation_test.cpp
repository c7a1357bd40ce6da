#include "ops/fused_activation.h"

#include <cmath>
#include <gtest/gtest.h>

#include "op_run.h"
#include "ops/conv/conv.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

TEST(FusedActivation, ComesBackFromTheAttributes) {
  for (const FusedActivation& wanted : {FusedActivation{},
                                        {Kind::relu},
                                        {Kind::clip, 0.0f, 6.0f},
                                        {Kind::leaky_relu, 0.1f, 0.0f},
                                        {Kind::silu},
                                        {Kind::hard_swish}}) {
    Attributes attributes;
    set_fused_activation(attributes, wanted);
    OpRun run(conv_schema(), attributes);
    run.type(DType::f32, {1, 1, 1}).type(DType::f32, {1, 1, 1});
    const FusedActivation found = fused_activation(run.site());
    EXPECT_EQ(found.kind, wanted.kind);
    EXPECT_EQ(found.a, wanted.a);
    EXPECT_EQ(found.b, wanted.b);
  }
}

TEST(FusedActivation, HasTheUsualMeaning) {
  EXPECT_EQ(apply_activation({Kind::relu}, -1), 0);
  EXPECT_EQ(apply_activation({Kind::clip, 0, 6}, 7), 6);
  EXPECT_EQ(apply_activation({Kind::leaky_relu, 0.5f}, -3), -1.5f);
  EXPECT_EQ(apply_activation({Kind::hard_swish}, 3), 3);
  EXPECT_EQ(apply_activation({Kind::hard_swish}, -3), 0);
  EXPECT_EQ(apply_activation({Kind::hard_sigmoid, 0.25f, 0.5f}, 1), 0.75f);
  EXPECT_FLOAT_EQ(apply_activation({Kind::silu}, 2), 2 / (1 + std::exp(-2.0f)));
}

}  // namespace
}  // namespace halftone
