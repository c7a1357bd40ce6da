#include "cli/eval_text.h"

#include "base/error.h"
#include "eval/text_source.h"

namespace halftone::cli {

void EvalTextOptions::add_to(CLI::App& command) {
  command.add_option("--text", path, "Text to evaluate on (UTF-8)")->required()->type_name("FILE");
  command.add_option("--window", window, "Tokens of a window (0: 2048, or the context if that is less)")
      ->check(CLI::Range(0, 1 << 24));
  command.add_option("--max-windows", max_windows, "Stop after this many windows (0: all)")
      ->check(CLI::Range(0, 1 << 30));
}

EvalText read_eval_text(const EvalTextOptions& options, const Tokenizer& tokenizer, int context) {
  const TextSource source = read_text_source(options.path);
  EvalText result;
  result.tokens = tokenizer.encode(source.joined(), true, false);
  const int window = options.window > 0 ? options.window : std::min(2048, context);
  if (window > context)
    throw UsageError("--window {}: the context is {} tokens; a larger one needs -c", window, context);
  result.windows = cut_windows(result.tokens, {window, options.max_windows});
  const bool bos = tokenizer.bos() && !result.tokens.empty() && result.tokens.front() == *tokenizer.bos();
  result.protocol = fmt::format(
      "{}{}, windows of {} tokens, stride {}, {}, {} of {} tokens used, targets: each window's tokens but "
      "its first",
      source.name, source.remark.empty() ? "" : " (" + source.remark + ")", result.windows.front().size(),
      result.windows.front().size(), bos ? "BOS once at the start" : "no BOS",
      result.windows.size() * result.windows.front().size(), result.tokens.size());
  return result;
}

}  // namespace halftone::cli
