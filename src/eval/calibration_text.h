#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "eval/text_source.h"
#include "models/model.h"
#include "quant/calib/calibration.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

struct CalibrationTextOptions {
  int samples = 128;
  int length = 0;  ///< tokens of a sample; 0: 2048, or the model's context if that is less
  uint64_t seed = 1;
};

/// Samples drawn from a text, and what was left for measuring.
struct CalibrationText {
  std::vector<std::vector<TokenId>> samples;  ///< all of one length
  std::vector<TokenId> held_out;  ///< the end of the text, of which no sample has a token; may be empty
  std::string protocol;           ///< "wiki.train.raw, 128 windows of 2048 tokens at random starts, seed 1"
  std::string warning;  ///< when windows must overlap, many tokens are unknown or few differ; else empty
};

/// Draws windows at random starts, as the scripts of GPTQ and AWQ do: the documents are joined by blank
/// lines and tokenized once (BOS at the very start if the tokenizer adds one), each start is drawn uniformly
/// from all that leave a whole window. Of a text of at least three windows the last tenth (one window at
/// least, eight at most) is held out. Throws InputError when the text is shorter than a window (naming how
/// many tokens it has and how many are needed), when an id is outside the vocabulary, and when more than a
/// quarter of the tokens are unknown: the tokenizer is not this text's or not this model's.
CalibrationText draw_calibration_text(const TextSource& text, const Tokenizer& tokenizer,
                                      const LlmInfo& model, const CalibrationTextOptions& options);

/// Windows of tokens as samples of an LLM graph (build_llm()): one sequence each, from its start. Every row
/// gives logits, or, where these would take more than 256 MB, as many as fit, evenly spread.
class TokenCalibration final : public CalibrationData {
 public:
  TokenCalibration(const Graph& graph, std::vector<std::vector<TokenId>> samples);

  int samples() const override { return static_cast<int>(samples_.size()); }
  std::map<std::string, Tensor> sample(int index) const override;
  /// A KV cache in f32 of one sequence of the longest sample.
  std::unique_ptr<State> make_state(const std::string& name) const override;

  std::span<const TokenId> tokens(int index) const { return samples_[static_cast<size_t>(index)]; }

 private:
  std::vector<std::vector<TokenId>> samples_;
  KvCache::Layout layout_;
  int64_t vocab_;
  int blocks_;  ///< of the cache, for the longest sample
};

}  // namespace halftone
