#include "cli/line_editor.h"

#include <clocale>
#include <cstdio>
#include <iostream>
#include <unistd.h>

#ifdef HALFTONE_LIBEDIT
#include <histedit.h>
#endif

namespace halftone::cli {

#ifdef HALFTONE_LIBEDIT

struct LineEditor::Impl {
  std::string prompt;
  EditLine* editor = nullptr;
  History* past = history_init();

  Impl() {
    // Characters, not bytes, are what the keys move over. Numbers keep their point.
    if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    editor = el_init("halftone", stdin, stdout, stderr);
    HistEvent event;
    history(past, &event, H_SETSIZE, 1000);
    el_set(editor, EL_CLIENTDATA, this);
    el_set(
        editor, EL_PROMPT, +[](EditLine* self) {
          void* impl = nullptr;
          el_get(self, EL_CLIENTDATA, &impl);
          return static_cast<Impl*>(impl)->prompt.data();
        });
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, past);
    el_set(editor, EL_SIGNAL, 0);
    el_source(editor, nullptr);
  }
  ~Impl() {
    el_end(editor);
    history_end(past);
  }

  std::optional<std::string> read(const std::string& text) {
    prompt = text;
    int count = 0;
    const char* line = el_gets(editor, &count);
    if (!line || count <= 0) return std::nullopt;
    std::string result(line, static_cast<size_t>(count));
    if (result.find_first_not_of(" \n") != std::string::npos) {
      HistEvent event;
      history(past, &event, H_ENTER, line);
    }
    return result;
  }
};

#else

struct LineEditor::Impl {
  std::optional<std::string> read(const std::string& prompt) {
    std::fputs(prompt.c_str(), stdout);
    std::fflush(stdout);
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
};

#endif

LineEditor::LineEditor() : terminal_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
  if (terminal_) impl_ = std::make_unique<Impl>();
}
LineEditor::~LineEditor() = default;

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  std::optional<std::string> line;
  if (impl_) {
    line = impl_->read(prompt);
  } else {
    std::string text;
    if (std::getline(std::cin, text)) line = std::move(text);
  }
  while (line && (line->ends_with('\n') || line->ends_with('\r'))) line->pop_back();
  return line;
}

}  // namespace halftone::cli
