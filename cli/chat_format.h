#pragma once

#include <string>

#include "llm/chat_template/chat_template.h"
#include "llm/load_llm.h"

namespace halftone::cli {

/// How conversations are written for a model, and where that was found.
struct ChatFormat {
  ChatTemplate format;
  std::string origin;                ///< "the model's own", "llama-3", a file's name
  std::vector<std::string> stops{};  ///< texts that end an answer, for formats without a token for it
  std::vector<TokenId>
      end_tokens{};      ///< the model's, and tokens of its vocabulary that end turns in known formats
  bool guessed = false;  ///< nothing in the model's files says so
};

/// The template that `asked` names: one of the named ones, or a file of Jinja; when empty the model's own,
/// else the named one whose tokens the model's vocabulary has, else "plain". Throws UsageError, InputError.
ChatFormat chat_format(const std::string& asked, const LlmModel& model);

/// For --help: "chatml, llama-3, ...".
std::string chat_template_names();

}  // namespace halftone::cli
