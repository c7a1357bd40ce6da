#include "eval/text_source.h"

#include <algorithm>
#include <regex>

#include "base/error.h"
#include "base/json.h"

namespace halftone {
namespace {

bool is_raw_wikitext(const fs::path& path) {
  static const std::regex name(R"(wiki\.(test|valid|train)\.raw)");
  return std::regex_match(path.filename().string(), name);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void read_jsonl(const fs::path& path, std::vector<std::string>& documents) {
  const std::string content = read_text(path);
  int line = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view row = std::string_view(content).substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (is_blank(row)) continue;
    const std::string source = fmt::format("{}: line {}", path.string(), line);
    std::string text = json_get<std::string>(parse_json(row, source), "text", source);
    if (!is_blank(text)) documents.push_back(std::move(text));
  }
}

void read_file(const fs::path& path, TextSource& source) {
  if (path.extension() == ".jsonl") return read_jsonl(path, source.documents);
  std::string text = read_text(path);
  if (is_raw_wikitext(path)) {
    text = join_wikitext_rows(text);
    source.remark = "rows joined by blank lines";
  }
  if (!is_blank(text)) source.documents.push_back(std::move(text));
}

std::vector<fs::path> text_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (const auto extension = entry.path().extension();
        entry.is_regular_file() && (extension == ".txt" || extension == ".jsonl"))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string TextSource::joined() const {
  std::string text;
  for (const std::string& document : documents) {
    if (!text.empty()) text += "\n\n";
    text += document;
  }
  return text;
}

TextSource read_text_source(const fs::path& path) {
  TextSource source;
  source.name = path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  if (folder) {
    const std::vector<fs::path> files = text_files(path);
    if (files.empty()) throw InputError("{}: no .txt or .jsonl file in this folder", path.string());
    for (const fs::path& file : files) read_file(file, source);
  } else {
    read_file(path, source);
  }
  if (source.documents.empty())
    throw InputError("{}: no text in this {}", path.string(), folder ? "folder" : "file");
  return source;
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

}  // namespace halftone
