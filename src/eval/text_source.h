#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace halftone {

/// Text to calibrate or to measure on.
struct TextSource {
  std::string name;                    ///< of the file or folder, for protocols and errors
  std::vector<std::string> documents;  ///< none empty
  std::string remark;  ///< what was done to the text ("rows joined by blank lines"), may be empty

  /// The documents with a blank line between them.
  std::string joined() const;
};

/// One file, or every .txt and .jsonl file below a folder in the order of their paths. A .jsonl file has one
/// object a line with a string under "text"; any other file is one document of UTF-8.
/// wiki.{test,valid,train}.raw is joined as join_wikitext_rows() does it. Throws InputError for what cannot
/// be read, for a line without "text", and when there is no text at all.
TextSource read_text_source(const fs::path& path);

/// The texts of WikiText as the data set gives it: one row a line, an empty row is nothing and any other
/// keeps its newline; rows are joined by "\n\n" (the protocol of GPTQ, AWQ and OmniQuant).
std::string join_wikitext_rows(std::string_view raw);

}  // namespace halftone
