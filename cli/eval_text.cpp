#include "cli/eval_text.h"

#include <regex>

#include "base/error.h"
#include "base/file.h"

namespace halftone::cli {
namespace {

bool is_raw_wikitext(const fs::path& path) {
  static const std::regex name(R"(wiki\.(test|valid|train)\.raw)");
  return std::regex_match(path.filename().string(), name);
}

}  // namespace

void EvalTextOptions::add_to(CLI::App& command) {
  command.add_option("--text", path, "Text to evaluate on (UTF-8)")->required()->type_name("FILE");
  command.add_option("--window", window, "Tokens of a window (0: 2048, or the context if that is less)")
      ->check(CLI::Range(0, 1 << 24));
  command.add_option("--max-windows", max_windows, "Stop after this many windows (0: all)")
      ->check(CLI::Range(0, 1 << 30));
}

std::string join_wikitext_rows(std::string_view raw) {
  std::string joined;
  bool first = true;
  while (!raw.empty()) {
    const size_t end = raw.find('\n');
    std::string_view row = raw.substr(0, end == std::string_view::npos ? raw.size() : end);
    raw.remove_prefix(end == std::string_view::npos ? raw.size() : end + 1);
    if (!first) joined += "\n\n";
    first = false;
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    joined += row;
    joined += '\n';
  }
  return joined;
}

EvalText read_eval_text(const EvalTextOptions& options, const Tokenizer& tokenizer, int context) {
  std::string text = read_text(options.path);
  const bool wikitext = is_raw_wikitext(options.path);
  if (wikitext) text = join_wikitext_rows(text);

  EvalText result;
  result.tokens = tokenizer.encode(text, true, false);
  const int window = options.window > 0 ? options.window : std::min(2048, context);
  if (window > context)
    throw UsageError("--window {}: the context is {} tokens; a larger one needs -c", window, context);
  result.windows = cut_windows(result.tokens, {window, options.max_windows});
  const bool bos = tokenizer.bos() && !result.tokens.empty() && result.tokens.front() == *tokenizer.bos();
  result.protocol = fmt::format(
      "{}{}, windows of {} tokens, stride {}, {}, {} of {} tokens used, targets: each window's tokens but "
      "its first",
      fs::path(options.path).filename().string(), wikitext ? " (rows joined by blank lines)" : "",
      result.windows.front().size(), result.windows.front().size(), bos ? "BOS once at the start" : "no BOS",
      result.windows.size() * result.windows.front().size(), result.tokens.size());
  return result;
}

}  // namespace halftone::cli
