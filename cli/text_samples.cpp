#include "cli/text_samples.h"

#include "base/error.h"
#include "eval/perplexity.h"

namespace halftone::cli {

void TextSampleOptions::add_to(CLI::App& command) {
  command
      .add_option("--text", path, "Text to run the model on: a file, or a folder of .txt and .jsonl files")
      ->type_name("PATH");
  command.add_option("--window", window, "Tokens of a window (0: 512, or the context if that is less)")
      ->check(CLI::Range(0, 1 << 24));
  command.add_option("--max-windows", max_windows, "Take this many windows (0: all)")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
}

TextSamples read_text_samples(const TextSampleOptions& options, const LlmModel& model) {
  if (options.path.empty()) throw UsageError("--text is required for a language model");
  const TextSource source = read_text_source(options.path);
  const std::vector<TokenId> tokens = model.tokenizer->encode(source.joined(), true, false);
  const int64_t context = llm_info(model.graph).context;
  const auto window = static_cast<int>(options.window > 0 ? options.window : std::min<int64_t>(512, context));
  if (window > context) throw UsageError("--window {}: the model's context is {} tokens", window, context);
  TextSamples samples;
  for (const auto& cut : cut_windows(tokens, {window, options.max_windows}))
    samples.windows.emplace_back(cut.begin(), cut.end());
  samples.protocol = fmt::format("{}, {} windows of {} tokens", source.name, samples.windows.size(),
                                 samples.windows.front().size());
  return samples;
}

}  // namespace halftone::cli
