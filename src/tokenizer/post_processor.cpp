#include "tokenizer/post_processor.h"

#include "tokenizer/vocabulary.h"

namespace halftone {

namespace {

constexpr size_t kMaxAdded = 1024;  // special tokens around one text

TokenId checked_id(int64_t id, const std::string& where) {
  if (id < 0 || id >= kMaxVocabulary)
    throw InputError("{}: id {} is not in [0, {})", where, id, kMaxVocabulary);
  return static_cast<TokenId>(id);
}

/// ["[SEP]", 102]
TokenId pair_id(const Json& json, const char* key, const std::string& where) {
  auto pair = json_get<Json>(json, key, where);
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number_integer())
    throw InputError("{}: {} is {}; expected [token, id]", where, key, pair.dump().substr(0, 80));
  return checked_id(pair[1].get<int64_t>(), where);
}

PostProcessor parse_template(const Json& json, const std::string& where) {
  PostProcessor result;
  auto special = json_get<Json>(json, "special_tokens", where);
  bool seen_text = false;
  for (const Json& item : json_get<std::vector<Json>>(json, "single", where)) {
    if (item.is_object() && item.contains("Sequence")) {
      auto name = json_get<std::string>(item["Sequence"], "id", where);
      if (seen_text || name != "A")
        throw UnsupportedError("{}: a template for one text that does not hold it just once", where);
      seen_text = true;
      continue;
    }
    if (!item.is_object() || !item.contains("SpecialToken"))
      throw InputError("{}: a template's item is {}; expected Sequence or SpecialToken", where,
                       item.dump().substr(0, 80));
    auto name = json_get<std::string>(item["SpecialToken"], "id", where);
    auto& side = seen_text ? result.after : result.before;
    auto place = where + ": special_tokens";
    for (int64_t id : json_get<std::vector<int64_t>>(json_get<Json>(special, name, place), "ids", place))
      side.push_back(checked_id(id, place));
    if (side.size() > kMaxAdded)
      throw InputError("{}: more than {} special tokens around a text", where, kMaxAdded);
  }
  if (!seen_text) throw InputError("{}: the template for one text leaves the text out", where);
  return result;
}

}  // namespace

PostProcessor parse_post_processor(const Json& json, const std::string& source) {
  if (json.is_null()) return {};
  std::string where = source + ": post_processor";
  auto type = json_get<std::string>(json, "type", where);
  where += " " + type;
  if (type == "ByteLevel") return {};
  if (type == "TemplateProcessing") return parse_template(json, where);
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return {{pair_id(json, "cls", where)}, {pair_id(json, "sep", where)}};
  if (type == "Sequence") {
    PostProcessor all;
    for (const Json& step : json_get<std::vector<Json>>(json, "processors", where)) {
      PostProcessor next = parse_post_processor(step, source);
      all.before.insert(all.before.begin(), next.before.begin(), next.before.end());
      all.after.insert(all.after.end(), next.after.begin(), next.after.end());
      if (all.before.size() + all.after.size() > kMaxAdded)
        throw InputError("{}: more than {} special tokens around a text", where, kMaxAdded);
    }
    return all;
  }
  throw UnsupportedError("{} is not known", where);
}

}  // namespace halftone
