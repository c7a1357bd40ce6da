#include "models/rope.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

// The scalings' numbers are tested against transformers by tests/families_test.cpp.

RopeFrequencies frequencies(const Json& config, int64_t context = 64) {
  return rope_frequencies(rope_settings(config, "full_attention", "c"), 8, 64, context, "c");
}

TEST(Rope, PlainFrequenciesFallGeometrically) {
  const RopeFrequencies plain = frequencies(Json::object());
  ASSERT_EQ(plain.rotary_dim(), 8);
  EXPECT_FLOAT_EQ(plain.inverse[0], 1.0f);
  EXPECT_FLOAT_EQ(plain.inverse[1], 0.1f);
  EXPECT_FLOAT_EQ(plain.inverse[3], 0.001f);
  EXPECT_EQ(plain.magnitude, 1.0f);
}

TEST(Rope, OldAndNewFormsSayTheSame) {
  const RopeFrequencies old_form =
      frequencies({{"rope_theta", 5e5}, {"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}});
  const RopeFrequencies new_form =
      frequencies({{"rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "linear"}, {"factor", 4.0}}}});
  const RopeFrequencies by_layer =
      frequencies({{"rope_parameters",
                    {{"full_attention", {{"rope_theta", 5e5}, {"rope_type", "linear"}, {"factor", 4.0}}},
                     {"sliding_attention", {{"rope_theta", 1e4}}}}}});
  EXPECT_EQ(old_form.inverse, new_form.inverse);
  EXPECT_EQ(old_form.inverse, by_layer.inverse);
  EXPECT_FLOAT_EQ(old_form.inverse[0], 0.25f);
}

TEST(Rope, PartOfAHeadMayTurn) {
  EXPECT_EQ(frequencies({{"partial_rotary_factor", 0.5}}).rotary_dim(), 4);
  EXPECT_THROW(frequencies({{"partial_rotary_factor", 1.5}}), InputError);
  EXPECT_THROW(frequencies({{"partial_rotary_factor", 0.1}}), UnsupportedError);
}

TEST(Rope, LongFactorsServeLongContexts) {
  const Json config = {
      {"original_max_position_embeddings", 32},
      {"rope_scaling",
       {{"type", "longrope"}, {"short_factor", {1, 1, 1, 1}}, {"long_factor", {2, 2, 2, 2}}}}};
  EXPECT_FLOAT_EQ(frequencies(config, 32).inverse[0], 1.0f);
  EXPECT_FLOAT_EQ(frequencies(config, 33).inverse[0], 0.5f);
  EXPECT_FLOAT_EQ(frequencies(config).magnitude, std::sqrt(1 + std::log(2.0f) / std::log(32.0f)));
}

TEST(Rope, TheOriginalLengthOfAModelSpeaksBeforeThatOfItsSettings) {
  Json config = {
      {"original_max_position_embeddings", 32},
      {"rope_scaling", {{"type", "yarn"}, {"factor", 2.0}, {"original_max_position_embeddings", 16}}}};
  EXPECT_EQ(rope_settings(config, "full_attention", "c")["original_max_position_embeddings"], 32);
  config.erase("original_max_position_embeddings");
  EXPECT_EQ(rope_settings(config, "full_attention", "c")["original_max_position_embeddings"], 16);
}

TEST(Rope, TablesHoldScaledCosinesAndSines) {
  RopeFrequencies two;
  two.inverse = {1.0f, 0.5f};
  two.magnitude = 2;
  const RopeTables tables = rope_tables(two, 3);
  const Tensor cos = tables.cos.load(), sin = tables.sin.load();
  EXPECT_EQ(cos.shape(), (Shape{3, 2}));
  EXPECT_EQ(cos.span<float>()[0], 2.0f);
  EXPECT_FLOAT_EQ(cos.span<float>()[5], 2 * std::cos(1.0f));
  EXPECT_FLOAT_EQ(sin.span<float>()[4], 2 * std::sin(2.0f));
}

TEST(Rope, ScalingStretchesTheContext) {
  EXPECT_EQ(longest_context(Json::object(), 4096, "c"), 4096);
  EXPECT_EQ(longest_context({{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}}, 4096, "c"), 16384);
  const Json llama31 = {
      {"rope_scaling",
       {{"rope_type", "llama3"}, {"factor", 8.0}, {"original_max_position_embeddings", 8192}}}};
  EXPECT_EQ(longest_context(llama31, 131072, "c"), 131072);
}

}  // namespace
}  // namespace halftone
