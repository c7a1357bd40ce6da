#include "tokenizer/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace halftone {

namespace {

constexpr size_t kMaxTemplate = 4 << 20;

/// "<s>", or an added token: {"content": "<s>", ...}.
void read_token(const Json& json, const char* key, const std::string& source,
                std::optional<std::string>& token) {
  auto found = json.find(key);
  if (token || found == json.end() || found->is_null()) return;
  token = found->is_object() ? json_get<std::string>(*found, "content", source + ": " + key)
                             : json_get<std::string>(json, key, source);
}

void read_tokens(const Json& json, const std::string& source, TokenizerConfig& config) {
  if (!json.is_object()) throw InputError("{}: expected a JSON object", source);
  read_token(json, "bos_token", source, config.bos_token);
  read_token(json, "eos_token", source, config.eos_token);
  read_token(json, "unk_token", source, config.unk_token);
  read_token(json, "pad_token", source, config.pad_token);
}

std::optional<bool> read_flag(const Json& json, const char* key, const std::string& source) {
  auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return json_get<bool>(json, key, source);
}

/// One template, or a list of {"name", "template"}.
void read_templates(const Json& json, const std::string& source, TokenizerConfig& config) {
  auto found = json.find("chat_template");
  if (found == json.end() || found->is_null()) return;
  if (!found->is_array()) {
    config.chat_templates.push_back({"default", json_get<std::string>(json, "chat_template", source)});
    return;
  }
  std::string where = source + ": chat_template";
  for (const Json& entry : *found)
    config.chat_templates.push_back(
        {json_get<std::string>(entry, "name", where), json_get<std::string>(entry, "template", where)});
}

TokenId checked_id(int64_t id, const std::string& where) {
  if (id < 0 || id >= kMaxVocabulary)
    throw InputError("{}: id {} is not in [0, {})", where, id, kMaxVocabulary);
  return static_cast<TokenId>(id);
}

/// {"128000": {"content": "<|begin_of_text|>", "special": true, ...}, ...}
std::vector<AddedToken> parse_decoder_list(const Json& list, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (!list.is_object()) throw InputError("{}: expected an object of ids and tokens", where);
  for (const auto& [key, json] : list.items()) {
    int64_t id = -1;
    auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size())
      throw InputError("{}: \"{}\" is not an id", where, key);
    auto flag = [&, &token = json](const char* name) { return json_get_or<bool>(token, name, false, where); };
    tokens.push_back({json_get<std::string>(json, "content", where), checked_id(id, where), flag("special"),
                      flag("single_word"), flag("lstrip"), flag("rstrip"), flag("normalized")});
  }
  return tokens;
}

}  // namespace

const std::string* TokenizerConfig::chat_template(std::string_view name) const {
  auto found = std::find_if(chat_templates.begin(), chat_templates.end(),
                            [&](const auto& t) { return t.name == name; });
  return found == chat_templates.end() ? nullptr : &found->text;
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config;
  if (fs::path path = folder / "tokenizer_config.json"; fs::exists(path)) {
    Json json = read_json(path, kMaxTemplate * 4);
    std::string source = path.string();
    read_tokens(json, source, config);
    config.add_bos_token = read_flag(json, "add_bos_token", source);
    config.add_eos_token = read_flag(json, "add_eos_token", source);
    config.tokenizer_class = json_get_or<std::string>(json, "tokenizer_class", "", source);
    read_templates(json, source, config);
  }
  if (fs::path path = folder / "special_tokens_map.json"; fs::exists(path))
    read_tokens(read_json(path, kMaxTemplate), path.string(), config);
  if (fs::path path = folder / "chat_template.jinja"; fs::exists(path)) {
    std::erase_if(config.chat_templates, [](const auto& t) { return t.name == "default"; });
    config.chat_templates.insert(config.chat_templates.begin(), {"default", read_text(path, kMaxTemplate)});
  }
  return config;
}

std::vector<AddedToken> read_added_tokens(const fs::path& folder) {
  if (fs::path path = folder / "tokenizer_config.json"; fs::exists(path)) {
    Json json = read_json(path, kMaxTemplate * 4);
    if (auto found = json.find("added_tokens_decoder"); json.is_object() && found != json.end())
      return parse_decoder_list(*found, path.string() + ": added_tokens_decoder");
  }
  std::vector<AddedToken> tokens;
  if (fs::path path = folder / "added_tokens.json"; fs::exists(path)) {
    Json json = read_json(path, kMaxTemplate);
    if (!json.is_object()) throw InputError("{}: expected an object of tokens and ids", path.string());
    for (const auto& [text, id] : json.items())
      tokens.push_back({text, checked_id(json_get<int64_t>(json, text, path.string()), path.string()), true});
  }
  return tokens;
}

}  // namespace halftone
