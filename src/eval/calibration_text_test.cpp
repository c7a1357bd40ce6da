#include "eval/calibration_text.h"

#include <gtest/gtest.h>
#include <set>

#include "base/error.h"
#include "tokenizer/decoder.h"

namespace halftone {
namespace {

/// One token a byte; bytes from '{' on are unknown.
class Bytes final : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text, bool, bool) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(c >= '{' ? 0 : c);
    return ids;
  }
  int vocab_size() const override { return 128; }
  std::optional<TokenId> bos() const override { return {}; }
  std::vector<TokenId> eos() const override { return {}; }
  std::string_view piece(TokenId) const override { return ""; }
  std::optional<TokenId> find(std::string_view piece) const override {
    return piece == "<unk>" ? std::optional<TokenId>(0) : std::nullopt;
  }
  bool is_special(TokenId) const override { return false; }
  DecoderChain decoder() const override { std::abort(); }
};

LlmInfo model(int64_t vocab = 128, int64_t context = 16) {
  LlmInfo info;
  info.vocab = vocab;
  info.context = context;
  return info;
}

std::string numbered(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>('A' + i % 26);
  return text;
}

template <class Error, class Body>
std::string message(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(CalibrationText, DrawsFromAllButTheEnd) {
  const TextSource text{"t", {numbered(400)}, ""};
  const CalibrationText drawn =
      draw_calibration_text(text, Bytes(), model(), {.samples = 50, .length = 10, .seed = 3});
  ASSERT_EQ(drawn.samples.size(), 50u);
  EXPECT_EQ(drawn.held_out.size(), 40u);
  EXPECT_EQ(drawn.held_out.front(), 'A' + 360 % 26);
  std::set<TokenId> firsts;
  for (const auto& sample : drawn.samples) {
    EXPECT_EQ(sample.size(), 10u);
    firsts.insert(sample.front());
  }
  EXPECT_GT(firsts.size(), 10u);
  EXPECT_NE(drawn.warning.find("overlap"), std::string::npos);
  EXPECT_EQ(drawn.protocol, "t, 50 windows of 10 tokens at random starts, seed 3");
  const CalibrationText again =
      draw_calibration_text(text, Bytes(), model(), {.samples = 50, .length = 10, .seed = 3});
  EXPECT_EQ(drawn.samples, again.samples);
  const CalibrationText other =
      draw_calibration_text(text, Bytes(), model(), {.samples = 50, .length = 10, .seed = 4});
  EXPECT_NE(drawn.samples, other.samples);
}

TEST(CalibrationText, AShortTextHoldsNothingOut) {
  const TextSource text{"t", {numbered(16)}, ""};
  const CalibrationText drawn = draw_calibration_text(text, Bytes(), model(), {.samples = 2});
  EXPECT_EQ(drawn.samples[0].size(), 16u);
  EXPECT_TRUE(drawn.held_out.empty());
}

TEST(CalibrationText, RefusesWhatCannotBeRight) {
  const TextSource shorter{"t", {numbered(15)}, ""};
  EXPECT_NE(message<InputError>([&] {
              draw_calibration_text(shorter, Bytes(), model(), {});
            }).find("has 15 tokens; calibration by samples of 16 needs at least 16"),
            std::string::npos);
  const TextSource text{"t", {numbered(100)}, ""};
  EXPECT_NE(message<InputError>([&] {
              draw_calibration_text(text, Bytes(), model(70), {});
            }).find("the model's vocabulary has 70"),
            std::string::npos);
  const TextSource unknown{"t", {numbered(60) + std::string(40, '~')}, ""};
  EXPECT_NE(message<InputError>([&] { draw_calibration_text(unknown, Bytes(), model(), {}); }).find("40 %"),
            std::string::npos);
  EXPECT_NE(message<UsageError>([&] {
              draw_calibration_text(text, Bytes(), model(), {.length = 17});
            }).find("context is 16"),
            std::string::npos);
}

}  // namespace
}  // namespace halftone
