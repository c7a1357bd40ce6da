#include "eval/calibration_text.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <numeric>
#include <random>
#include <set>

#include "base/checked.h"
#include "base/error.h"

namespace halftone {
namespace {

constexpr int64_t kMostLogitBytes = int64_t{256} << 20;
constexpr double kTooManyUnknown = 0.25;
constexpr double kManyUnknown = 0.02;
constexpr size_t kFewTokens = 16;  ///< different ones: activations that hardly vary

std::optional<TokenId> unknown_token(const Tokenizer& tokenizer) {
  for (const char* spelling : {"<unk>", "[UNK]", "<UNK>"})
    if (const auto id = tokenizer.find(spelling)) return id;
  return {};
}

/// Share of tokens that stand for text which the vocabulary cannot write.
double unknown_share(const std::vector<TokenId>& tokens, const Tokenizer& tokenizer) {
  const auto unknown = unknown_token(tokenizer);
  if (!unknown) return 0;
  return static_cast<double>(std::count(tokens.begin(), tokens.end(), *unknown)) /
         static_cast<double>(tokens.size());
}

size_t different_tokens(const std::vector<std::vector<TokenId>>& samples) {
  std::set<TokenId> seen;
  for (const auto& sample : samples) seen.insert(sample.begin(), sample.end());
  return seen.size();
}

void check_ids(const std::vector<TokenId>& tokens, const LlmInfo& model, const std::string& name) {
  for (const TokenId id : tokens)
    if (id < 0 || id >= model.vocab)
      throw InputError(
          "{}: the tokenizer gives token {}, but the model's vocabulary has {}; it is another model's "
          "tokenizer",
          name, id, model.vocab);
}

Tensor rows_tensor(const std::vector<int64_t>& rows) {
  return Tensor::from<int64_t>({static_cast<int64_t>(rows.size())}, std::span<const int64_t>(rows));
}

}  // namespace

CalibrationText draw_calibration_text(const TextSource& text, const Tokenizer& tokenizer,
                                      const LlmInfo& model, const CalibrationTextOptions& options) {
  const auto length =
      static_cast<size_t>(options.length > 0 ? options.length : std::min<int64_t>(2048, model.context));
  if (length > static_cast<size_t>(model.context))
    throw UsageError("--calib-length {}: the model's context is {} tokens", length, model.context);
  if (length < 2) throw UsageError("--calib-length {}: a sample needs at least 2 tokens", length);

  const std::vector<TokenId> tokens = tokenizer.encode(text.joined(), true, false);
  check_ids(tokens, model, text.name);
  if (tokens.size() < length)
    throw InputError(
        "{}: the text has {} tokens; calibration by samples of {} needs at least {} (--calib-length takes "
        "shorter "
        "ones)",
        text.name, tokens.size(), length, length);
  const double unknown = unknown_share(tokens, tokenizer);
  if (unknown > kTooManyUnknown)
    throw InputError(
        "{}: {:.0f} % of the tokens are unknown to the vocabulary; the tokenizer does not fit this text",
        text.name, unknown * 100);

  size_t held_out = 0;
  if (tokens.size() >= 3 * length) held_out = std::clamp(tokens.size() / 10, length, 8 * length);
  const size_t drawn_from = tokens.size() - held_out;

  CalibrationText result;
  std::mt19937_64 random(options.seed);
  const uint64_t starts = drawn_from - length + 1;
  for (int s = 0; s < options.samples; ++s) {
    const auto start = static_cast<std::ptrdiff_t>(random() % starts);
    result.samples.emplace_back(tokens.begin() + start,
                                tokens.begin() + start + static_cast<std::ptrdiff_t>(length));
  }
  result.held_out.assign(tokens.end() - static_cast<std::ptrdiff_t>(held_out), tokens.end());
  result.protocol =
      fmt::format("{}{}, {} windows of {} tokens at random starts, seed {}", text.name,
                  text.remark.empty() ? "" : " (" + text.remark + ")", options.samples, length, options.seed);
  std::vector<std::string> warnings;
  if (drawn_from < length * static_cast<size_t>(options.samples))
    warnings.push_back(
        fmt::format("{} tokens for {} samples of {}; samples overlap", drawn_from, options.samples, length));
  if (unknown > kManyUnknown)
    warnings.push_back(fmt::format("{:.1f} % of the tokens are unknown to the vocabulary", unknown * 100));
  if (const size_t different = different_tokens(result.samples); different < kFewTokens)
    warnings.push_back(
        fmt::format("only {} different tokens: activations that hardly vary say little", different));
  if (!warnings.empty()) result.warning = fmt::format("{}: {}", text.name, fmt::join(warnings, "; "));
  return result;
}

TokenCalibration::TokenCalibration(const Graph& graph, std::vector<std::vector<TokenId>> samples)
    : samples_(std::move(samples)), layout_(kv_layout(graph)), vocab_(llm_info(graph).vocab) {
  layout_.format = KvFormat::f32;
  size_t longest = 1;
  for (const auto& sample : samples_) longest = std::max(longest, sample.size());
  blocks_ = static_cast<int>(ceil_div(static_cast<int64_t>(longest), int64_t{layout_.block_tokens}));
}

std::map<std::string, Tensor> TokenCalibration::sample(int index) const {
  const std::vector<TokenId>& tokens = samples_[static_cast<size_t>(index)];
  const auto length = static_cast<int64_t>(tokens.size());
  std::vector<int64_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), int64_t{0});
  const int64_t most = std::max<int64_t>(1, kMostLogitBytes / (vocab_ * static_cast<int64_t>(sizeof(float))));
  std::vector<int64_t> output_rows(static_cast<size_t>(std::min(length, most)));
  for (size_t i = 0; i < output_rows.size(); ++i)
    output_rows[i] = static_cast<int64_t>(i) * length / static_cast<int64_t>(output_rows.size());
  std::vector<int32_t> blocks(static_cast<size_t>(blocks_));
  std::iota(blocks.begin(), blocks.end(), 0);
  return {{"token_ids", rows_tensor({tokens.begin(), tokens.end()})},
          {"positions", rows_tensor(positions)},
          {"sequences", Tensor::from<int32_t>({1, 3}, {0, static_cast<int32_t>(length), 0})},
          {"blocks", Tensor::from<int32_t>({1, int64_t{blocks_}}, std::span<const int32_t>(blocks))},
          {"output_rows", rows_tensor(output_rows)}};
}

std::unique_ptr<State> TokenCalibration::make_state(const std::string&) const {
  return std::make_unique<KvCache>(layout_, blocks_);
}

}  // namespace halftone
