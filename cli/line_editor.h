#pragma once

#include <memory>
#include <optional>
#include <string>

namespace halftone::cli {

/// Reads lines from standard input: with editing and history on a terminal (where the program was built with
/// libedit), plainly elsewhere.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// The next line without its end; nothing at the end of input (Ctrl-D) or when a signal came. The
  /// prompt is shown on terminals only.
  std::optional<std::string> read(const std::string& prompt);

  bool on_terminal() const { return terminal_; }

 private:
  struct Impl;
  bool terminal_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halftone::cli
