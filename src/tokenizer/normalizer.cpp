#include "tokenizer/normalizer.h"

#include <algorithm>
#include <vector>

#include "tokenizer/byte_level.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

namespace halftone {

namespace {

class FormNormalizer final : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  std::string apply(std::string text) const override { return normalize(text, form_); }

 private:
  NormalForm form_;
};

class Lowercase final : public Normalizer {
 public:
  std::string apply(std::string text) const override { return to_lower(text); }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  std::string apply(std::string text) const override { return to_byte_level(text); }
};

/// The characters of `text` that `keep` likes.
template <class Keep>
std::string filter(std::string_view text, Keep keep) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    if (keep(next_char(text, at))) out += text.substr(begin, at - begin);
  }
  return out;
}

class StripAccents final : public Normalizer {
 public:
  std::string apply(std::string text) const override {
    return filter(text, [](char32_t c) { return c < 0x80 || !is_mark(c); });
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  std::string apply(std::string text) const override {
    std::string_view rest = text;
    if (left_) rest = trim_left(rest);
    if (right_) rest = trim_right(rest);
    return std::string(rest);
  }

 private:
  bool left_, right_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string apply(std::string text) const override { return text.empty() ? text : prefix_ + text; }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  std::string apply(std::string text) const override { return pattern_.replace_all(text, content_); }

 private:
  Pattern pattern_;
  std::string content_;
};

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}
  std::string apply(std::string text) const override { return map_.apply_to_graphemes(text); }

 private:
  Charsmap map_;
};

class BertNormalizer final : public Normalizer {
 public:
  BertNormalizer(bool clean, bool chinese, bool accents, bool lower)
      : clean_(clean), chinese_(chinese), accents_(accents), lower_(lower) {}

  std::string apply(std::string text) const override {
    if (clean_) text = clean(text);
    if (chinese_) text = space_ideographs(text);
    if (accents_) {
      text = filter(normalize(text, NormalForm::nfd),
                    [](char32_t c) { return c < 0x80 || !is_nonspacing_mark(c); });
    }
    if (lower_) text = to_lower(text);
    return text;
  }

 private:
  static std::string clean(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      char32_t c = next_char(text, at);
      if (is_white_space(c)) {
        bool kept = c >= 0x80 || c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (kept && c != 0x85) out += ' ';
      } else if (c != 0 && c != 0xFFFD && !is_other(c)) {
        append_utf8(out, c);
      }
    }
    return out;
  }

  static bool is_ideograph(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }

  static std::string space_ideographs(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      size_t begin = at;
      bool spaced = is_ideograph(next_char(text, at));
      if (spaced) out += ' ';
      out += text.substr(begin, at - begin);
      if (spaced) out += ' ';
    }
    return out;
  }

  bool clean_, chinese_, accents_, lower_;
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  std::string apply(std::string text) const override {
    for (const auto& step : steps_) text = step->apply(std::move(text));
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<Normalizer> parse_normalizer(const Json& json, const std::string& source) {
  if (json.is_null()) return nullptr;
  std::string where = source + ": normalizer";
  auto type = json_get<std::string>(json, "type", where);
  where += " " + type;
  auto flag = [&](const char* key, bool fallback) { return json_get_or<bool>(json, key, fallback, where); };
  if (type == "NFC") return std::make_unique<FormNormalizer>(NormalForm::nfc);
  if (type == "NFD") return std::make_unique<FormNormalizer>(NormalForm::nfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(NormalForm::nfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(NormalForm::nfkd);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Strip") return std::make_unique<Strip>(flag("strip_left", true), flag("strip_right", true));
  if (type == "Prepend") return std::make_unique<Prepend>(json_get<std::string>(json, "prepend", where));
  if (type == "Replace")
    return std::make_unique<Replace>(Pattern(json_get<Json>(json, "pattern", where), where),
                                     json_get<std::string>(json, "content", where));
  if (type == "Precompiled")
    return std::make_unique<Precompiled>(
        Charsmap::from_base64(json_get<std::string>(json, "precompiled_charsmap", where), where));
  if (type == "BertNormalizer") {
    bool lower = flag("lowercase", true);
    return std::make_unique<BertNormalizer>(flag("clean_text", true), flag("handle_chinese_chars", true),
                                            flag("strip_accents", lower), lower);
  }
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const Json& step : json_get<std::vector<Json>>(json, "normalizers", where))
      if (auto parsed = parse_normalizer(step, source)) steps.push_back(std::move(parsed));
    return std::make_unique<NormalizerSequence>(std::move(steps));
  }
  throw UnsupportedError("{} is not known", where);
}

}  // namespace halftone
