#include "tokenizer/pre_tokenizer.h"

#include <functional>

#include "tokenizer/byte_level.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"
#include "tokenizer/words.h"

namespace halftone {

namespace {

using Range = Words::Range;

/// What becomes of the places that a split finds.
enum class Behavior { removed, isolated, contiguous, merged_with_previous, merged_with_next };

Behavior parse_behavior(const std::string& name, const std::string& source) {
  if (name == "Removed") return Behavior::removed;
  if (name == "Isolated") return Behavior::isolated;
  if (name == "Contiguous") return Behavior::contiguous;
  if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
  if (name == "MergedWithNext") return Behavior::merged_with_next;
  throw InputError(
      "{}: behavior \"{}\"; expected Removed, Isolated, Contiguous, MergedWithPrevious or MergedWithNext",
      source, name);
}

/// The pieces of one word, found or not, put together as the behaviour says.
class Splitter {
 public:
  Splitter(std::vector<Range>& out, Behavior behavior, bool invert)
      : out_(out), behavior_(behavior), invert_(invert), first_(out.size()) {}

  void piece(size_t begin, size_t end, bool found) {
    if (invert_) found = !found;
    bool joins = false;  // the piece before
    switch (behavior_) {
      case Behavior::removed:
        if (found) return;
        break;
      case Behavior::isolated:
        break;
      case Behavior::contiguous:
        joins = found == found_before_;
        break;
      case Behavior::merged_with_previous:
        joins = found && !found_before_;
        break;
      case Behavior::merged_with_next:
        joins = !found && found_before_;
        break;
    }
    found_before_ = found;
    if (joins && out_.size() > first_) {
      out_.back().end = end;
    } else if (end > begin) {
      out_.push_back({begin, end});
    }
  }

 private:
  std::vector<Range>& out_;
  Behavior behavior_;
  bool invert_;
  size_t first_;
  bool found_before_ = false;
};

/// Cuts every word at the places that find(text, found(begin, end)) names.
template <class Find>
void split(Words& words, Behavior behavior, bool invert, Find find) {
  std::vector<Range> out;
  out.reserve(words.ranges.size() * 2);
  for (size_t i = 0; i < words.ranges.size(); ++i) {
    size_t start = words.ranges[i].begin;
    std::string_view word = words[i];
    Splitter splitter(out, behavior, invert);
    size_t done = 0;
    find(word, [&](size_t begin, size_t end) {
      if (begin > done) splitter.piece(start + done, start + begin, false);
      splitter.piece(start + begin, start + end, true);
      done = end;
    });
    if (done < word.size()) splitter.piece(start + done, start + word.size(), false);
  }
  words.ranges = std::move(out);
}

/// Cuts at every character that `predicate` likes.
template <class Predicate>
void split_at(Words& words, Behavior behavior, Predicate predicate) {
  split(words, behavior, false, [&](std::string_view text, auto found) {
    for (size_t at = 0; at < text.size();) {
      size_t begin = at;
      if (predicate(next_char(text, at))) found(begin, at);
    }
  });
}

/// Rewrites every word; rewrite(word, out) appends to out.
template <class Rewrite>
void rewrite_words(Words& words, Rewrite rewrite) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 4);
  for (size_t i = 0; i < words.ranges.size(); ++i) {
    size_t begin = text.size();
    rewrite(words[i], i, text);
    words.ranges[i] = {begin, text.size()};
  }
  words.text = std::move(text);
}

class Split final : public PreTokenizer {
 public:
  Split(Pattern pattern, Behavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(Words& words) const override {
    split(words, behavior_, invert_,
          [&](std::string_view text, auto found) { pattern_.for_each_match(text, found); });
  }

 private:
  Pattern pattern_;
  Behavior behavior_;
  bool invert_;
};

/// Cuts at the characters that a predicate likes.
class CharSplit final : public PreTokenizer {
 public:
  CharSplit(bool (*predicate)(char32_t), Behavior behavior) : predicate_(predicate), behavior_(behavior) {}
  void apply(Words& words) const override { split_at(words, behavior_, predicate_); }

 private:
  bool (*predicate_)(char32_t);
  Behavior behavior_;
};

/// Runs of word characters, and runs of what is neither those nor white space.
class Whitespace final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    std::vector<Range> out;
    for (const Range& range : words.ranges) {
      int kind_before = 0;
      for (size_t at = range.begin; at < range.end;) {
        size_t begin = at;
        char32_t c = next_char(words.text, at);
        int kind = is_white_space(c) ? 0 : is_word_char(c) ? 1 : 2;
        if (kind != 0 && kind == kind_before) {
          out.back().end = at;
        } else if (kind != 0) {
          out.push_back({begin, at});
        }
        kind_before = kind;
      }
    }
    words.ranges = std::move(out);
  }
};

class DelimiterSplit final : public PreTokenizer {
 public:
  explicit DelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void apply(Words& words) const override {
    split_at(words, Behavior::removed, [&](char32_t c) { return c == delimiter_; });
  }

 private:
  char32_t delimiter_;
};

class BertPreTokenizer final : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    split_at(words, Behavior::removed, is_white_space);
    split_at(words, Behavior::isolated, is_punctuation);
  }
};

class Metaspace final : public PreTokenizer {
 public:
  enum class Prepend { always, first, never };
  Metaspace(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

  void apply(Words& words) const override {
    rewrite_words(words, [&](std::string_view word, size_t i, std::string& out) {
      bool first = words.begins_input && words.ranges[i].begin == 0;
      bool wanted = prepend_ == Prepend::always || (prepend_ == Prepend::first && first);
      if (wanted && !word.starts_with(replacement_) && !word.starts_with(' ')) out += replacement_;
      for (char c : word) {
        if (c == ' ') {
          out += replacement_;
        } else {
          out += c;
        }
      }
    });
    if (!split_) return;
    split(words, Behavior::merged_with_next, false, [&](std::string_view text, auto found) {
      for (size_t at = text.find(replacement_); at != std::string_view::npos;
           at = text.find(replacement_, at + replacement_.size()))
        found(at, at + replacement_.size());
    });
  }

 private:
  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

/// GPT-2's words (openai/gpt-2 encoder.py), each byte as a character.
class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex, const std::string& source)
      : add_prefix_space_(add_prefix_space) {
    if (use_regex) regex_.emplace(kGpt2Words, source);
  }

  void apply(Words& words) const override {
    if (add_prefix_space_) {
      rewrite_words(words, [](std::string_view word, size_t, std::string& out) {
        if (!word.starts_with(' ')) out += ' ';
        out += word;
      });
    }
    if (regex_) {
      split(words, Behavior::isolated, false,
            [&](std::string_view text, auto found) { regex_->for_each_match(text, found); });
    }
    const auto& chars = byte_level_chars();
    rewrite_words(words, [&](std::string_view word, size_t, std::string& out) {
      for (char c : word) out += chars[static_cast<unsigned char>(c)];
    });
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void apply(Words& words) const override {
    for (const auto& step : steps_) step->apply(words);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

Metaspace::Prepend parse_prepend(const Json& json, const std::string& where) {
  auto scheme = json_get_or<std::string>(json, "prepend_scheme", "", where);
  if (scheme == "always") return Metaspace::Prepend::always;
  if (scheme == "first") return Metaspace::Prepend::first;
  if (scheme == "never") return Metaspace::Prepend::never;
  if (!scheme.empty())
    throw InputError("{}: prepend_scheme \"{}\"; expected always, first or never", where, scheme);
  bool add = json_get_or<bool>(json, "add_prefix_space", true, where);
  return add ? Metaspace::Prepend::always : Metaspace::Prepend::never;
}

std::string one_char(const Json& json, const char* key, const std::string& fallback,
                     const std::string& where) {
  auto text = json_get_or<std::string>(json, key, fallback, where);
  if (count_chars(text) != 1) throw InputError("{}: {} is \"{}\"; expected one character", where, key, text);
  return text;
}

}  // namespace

std::unique_ptr<PreTokenizer> parse_pre_tokenizer(const Json& json, const std::string& source) {
  if (json.is_null()) return nullptr;
  std::string where = source + ": pre_tokenizer";
  auto type = json_get<std::string>(json, "type", where);
  where += " " + type;
  auto flag = [&](const char* key, bool fallback) { return json_get_or<bool>(json, key, fallback, where); };
  auto behavior = [&](const char* fallback) {
    return parse_behavior(json_get_or<std::string>(json, "behavior", fallback, where), where);
  };
  if (type == "Split")
    return std::make_unique<Split>(Pattern(json_get<Json>(json, "pattern", where), where),
                                   parse_behavior(json_get<std::string>(json, "behavior", where), where),
                                   flag("invert", false));
  if (type == "ByteLevel")
    return std::make_unique<ByteLevel>(flag("add_prefix_space", true), flag("use_regex", true), where);
  if (type == "Digits")
    return std::make_unique<CharSplit>(
        is_numeric, flag("individual_digits", false) ? Behavior::isolated : Behavior::contiguous);
  if (type == "Punctuation") return std::make_unique<CharSplit>(is_punctuation, behavior("Isolated"));
  if (type == "WhitespaceSplit") return std::make_unique<CharSplit>(is_white_space, Behavior::removed);
  if (type == "Whitespace") return std::make_unique<Whitespace>();
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "CharDelimiterSplit") {
    size_t at = 0;
    return std::make_unique<DelimiterSplit>(next_char(one_char(json, "delimiter", "", where), at));
  }
  if (type == "Metaspace")
    return std::make_unique<Metaspace>(one_char(json, "replacement", "▁", where), parse_prepend(json, where),
                                       flag("split", true));
  if (type == "Sequence") {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    for (const Json& step : json_get<std::vector<Json>>(json, "pretokenizers", where))
      if (auto parsed = parse_pre_tokenizer(step, source)) steps.push_back(std::move(parsed));
    return std::make_unique<PreTokenizerSequence>(std::move(steps));
  }
  throw UnsupportedError("{} is not known", where);
}

}  // namespace halftone
