#pragma once

#include <functional>
#include <string_view>

#include "halftone/model.h"

namespace halftone::sdk {

struct LanguageModelOptions {
  int threads = 0;
  bool exact = false;
  int context = 0;  ///< tokens; 0: the model's own, 8192 at most
};

struct GenerateOptions {
  int max_tokens = 0;              ///< 0: until the text ends or the context is full
  float temperature = 0.8f;        ///< 0: the likeliest token each time
  int top_k = 40;                  ///< 0: all
  float top_p = 0.95f;             ///< 1: all
  uint64_t seed = 0;               ///< the same seed gives the same text
  std::vector<std::string> stops;  ///< each ends the text before it
};

struct Generated {
  std::string text;
  std::string
      reason;  ///< why it ended: "end_token", "stop_string", "max_tokens", "context_full", "cancelled"
  int prompt_tokens = 0;
  int tokens = 0;
};

/// A language model: a Hugging Face folder, a .gguf file, or a folder that `halftone quantize` wrote. One
/// thread at a time may use it.
class HALFTONE_API LanguageModel {
 public:
  static LanguageModel load(const std::filesystem::path& path, const LanguageModelOptions& options = {});
  LanguageModel(LanguageModel&&) noexcept;
  LanguageModel& operator=(LanguageModel&&) noexcept;
  ~LanguageModel();

  /// Continues `prompt`, as it is. `show` gets the text in whole characters as it becomes certain and says
  /// whether to go on.
  Generated generate(const std::string& prompt, const GenerateOptions& options = {},
                     const std::function<bool(std::string_view text)>& show = {});

 private:
  struct Impl;
  explicit LanguageModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace halftone::sdk
