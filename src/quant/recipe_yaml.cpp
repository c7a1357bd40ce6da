#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <sstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/suggest.h"
#include "quant/algorithm.h"
#include "quant/recipe.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

constexpr size_t kMaxFileBytes = 1 << 16;
constexpr int64_t kMaxGroup = int64_t{1} << 30;

/// One node of the file with the words that errors need.
class Reader {
 public:
  Reader(YAML::Node node, const std::string& source) : node_(std::move(node)), source_(source) {}

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw InputError("{}: line {}: {}", source_, std::max(node_.Mark().line, 0) + 1,
                     fmt::format(format, std::forward<Args>(args)...));
  }

  /// A mapping with no keys but these, none twice.
  void expect_map(const char* what, std::initializer_list<const char*> known) const {
    if (!node_.IsMap()) fail("{}: expected a mapping of keys to values, found {}", what, kind());
    const std::vector<std::string> names(known.begin(), known.end());
    std::vector<std::string> seen;
    for (const auto& entry : node_) {
      const Reader key(entry.first, source_);
      const std::string name = key.text("a key");
      if (std::find(names.begin(), names.end(), name) == names.end())
        key.fail("{} has no key \"{}\"{}", what, name, did_you_mean(name, names));
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) key.fail("key \"{}\" a second time", name);
      seen.push_back(name);
    }
  }

  std::optional<Reader> find(const char* key) const {
    const YAML::Node child = node_[key];
    if (!child.IsDefined()) return std::nullopt;
    return Reader(child, source_);
  }

  std::vector<Reader> list(const char* what) const {
    if (!node_.IsSequence()) fail("{}: expected a list, found {}", what, kind());
    std::vector<Reader> items;
    for (const auto& item : node_) items.emplace_back(item, source_);
    if (items.empty()) fail("{}: the list is empty", what);
    return items;
  }

  bool is_list() const { return node_.IsSequence(); }
  bool is_map() const { return node_.IsMap(); }

  /// Keys and values of a mapping, no key twice.
  std::vector<std::pair<Reader, Reader>> entries(const char* what) const {
    if (!node_.IsMap()) fail("{}: expected a mapping of keys to values, found {}", what, kind());
    std::vector<std::pair<Reader, Reader>> all;
    for (const auto& entry : node_) {
      const Reader key(entry.first, source_);
      for (const auto& [earlier, value] : all)
        if (earlier.text("a key") == key.text("a key"))
          key.fail("key \"{}\" a second time", key.text("a key"));
      all.emplace_back(key, Reader(entry.second, source_));
    }
    return all;
  }

  std::pair<Reader, Reader> only_entry(const char* what) const {
    auto all = entries(what);
    if (all.size() != 1) fail("{}: expected one name with its settings, found {} keys", what, all.size());
    return all.front();
  }

  /// A number; true and false are 1 and 0.
  double number(const char* what) const {
    const std::string digits = text(what);
    if (digits == "true" || digits == "false") return digits == "true" ? 1 : 0;
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value))
      fail("{}: expected a number, true or false, found \"{}\"", what, digits);
    return value;
  }
  bool is_word(const char* word) const { return node_.IsScalar() && node_.Scalar() == word; }

  std::string text(const char* what) const {
    if (!node_.IsScalar() || node_.Scalar().empty()) fail("{}: expected a word, found {}", what, kind());
    return node_.Scalar();
  }

  int64_t integer(const char* what, int64_t least, int64_t most) const {
    const std::string digits = text(what);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < least || value > most)
      fail("{}: expected a whole number of {} to {}, found \"{}\"", what, least, most, digits);
    return value;
  }

  bool boolean(const char* what) const {
    const std::string word = text(what);
    if (word != "true" && word != "false") fail("{}: expected true or false, found \"{}\"", what, word);
    return word == "true";
  }

  /// One of `words`: its position.
  size_t choice(const char* what, std::span<const std::string> words) const {
    const std::string word = text(what);
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end())
      fail("{}: expected one of {}, found \"{}\"{}", what, fmt::format("{}", fmt::join(words, ", ")), word,
           did_you_mean(word, words));
    return static_cast<size_t>(found - words.begin());
  }

 private:
  std::string kind() const {
    if (node_.IsMap()) return "a mapping";
    if (node_.IsSequence()) return "a list";
    return node_.IsScalar() ? fmt::format("\"{}\"", node_.Scalar().substr(0, 80)) : "nothing";
  }

  YAML::Node node_;
  const std::string& source_;
};

const NumberFormat* read_format(const Reader& reader) {
  std::vector<std::string> names;
  for (const NumberFormat* format : number_formats()) names.emplace_back(format->name());
  return number_formats()[reader.choice("format", names)];
}

Encoding read_weights(const Reader& reader) {
  reader.expect_map("weights", {"format", "group", "per", "symmetric", "zero", "scale", "double_quant"});
  Encoding encoding;
  encoding.granularity = Granularity::per_axis(0);
  const auto format = reader.find("format");
  if (!format) reader.fail("weights: key \"format\" is missing");
  encoding.format = read_format(*format);

  const auto group = reader.find("group"), per = reader.find("per");
  if (group && per) per->fail("weights: either \"group\" or \"per\", not both");
  if (group) encoding.granularity = Granularity::per_group(group->integer("group", 1, kMaxGroup));
  if (per && per->choice("per", std::vector<std::string>{"channel", "tensor"}) == 1)
    encoding.granularity = Granularity::per_tensor();

  if (const auto symmetric = reader.find("symmetric")) {
    encoding.symmetric = symmetric->boolean("symmetric");
    if (!encoding.symmetric && !encoding.format->is_integer())
      symmetric->fail("symmetric: {} has no zero point, so it is always symmetric", encoding.format->name());
  }
  if (const auto zero = reader.find("zero")) {
    if (encoding.symmetric) zero->fail("zero: needs \"symmetric: false\"");
    encoding.real_minimum = zero->choice("zero", std::vector<std::string>{"code", "minimum"}) == 1;
  }
  if (const auto scale = reader.find("scale")) {
    const DType dtypes[] = {DType::f32, DType::f16, DType::bf16};
    encoding.scale_dtype = dtypes[scale->choice("scale", std::vector<std::string>{"f32", "f16", "bf16"})];
  }
  if (const auto block = reader.find("double_quant")) {
    encoding.double_quant_block = block->integer("double_quant", 1, kMaxGroup);
    if (encoding.real_minimum) block->fail("double_quant: not together with \"zero: minimum\"");
  }
  return encoding;
}

constexpr const char* kNoScaleOfAChannel =
    "per: channel: a product sums over its channels, so no scale of one can be taken out of the sum; "
    "algorithms: [smoothquant] and static_activations: {even_channels: true} move the ranges of channels "
    "into the weights";

Encoding read_activations(const Reader& reader) {
  reader.expect_map("activations", {"format", "group", "per"});
  Encoding encoding;
  encoding.timing = Timing::dynamic;
  encoding.scale_dtype = DType::f32;
  encoding.granularity = Granularity::per_token();
  const auto format = reader.find("format");
  if (!format) reader.fail("activations: key \"format\" is missing");
  format->choice("format", std::vector<std::string>{"int8"});
  encoding.format = find_number_format("int8");

  const auto group = reader.find("group"), per = reader.find("per");
  if (group && per) per->fail("activations: either \"group\" or \"per\", not both");
  if (group) encoding.granularity = Granularity::per_group(group->integer("group", 1, kMaxGroup));
  if (per && per->is_word("channel")) per->fail("{}", kNoScaleOfAChannel);
  if (per && per->choice("per", std::vector<std::string>{"token", "tensor"}) == 1)
    encoding.granularity = Granularity::per_tensor();
  return encoding;
}

/// An encoding, or nothing for the word `absent`.
template <class Read>
std::optional<Encoding> unless(const char* absent, const Reader& reader, Read read) {
  if (reader.is_word(absent)) return std::nullopt;
  return read(reader);
}

RecipeRule read_rule(const Reader& reader) {
  reader.expect_map("a rule", {"match", "keep", "weights", "activations"});
  RecipeRule rule;
  if (const auto match = reader.find("match")) {
    rule.match.clear();
    if (match->is_list())
      for (const Reader& pattern : match->list("match")) rule.match.push_back(pattern.text("match"));
    else
      rule.match.push_back(match->text("match"));
  }
  const auto keep = reader.find("keep"), weights = reader.find("weights");
  const auto activations = reader.find("activations");
  const bool kept = keep && keep->boolean("keep");
  if (kept && (weights || activations)) keep->fail("keep: a kept layer has neither weights nor activations");
  if (!kept && !weights) reader.fail("a rule needs \"weights\" or \"keep: true\"");
  if (weights) rule.weights = read_weights(*weights);
  if (activations) rule.activations = unless("none", *activations, read_activations);
  return rule;
}

/// "gptq", or "gptq: {damping: 0.05}".
AlgorithmStep read_algorithm(const Reader& reader) {
  if (!reader.is_map()) return {algorithm_names()[reader.choice("algorithms", algorithm_names())]};
  const auto [name, settings] = reader.only_entry("algorithms");
  AlgorithmStep step{algorithm_names()[name.choice("algorithms", algorithm_names())]};
  for (const auto& [key, value] : settings.entries(step.name.c_str()))
    step.settings[key.text("a setting")] = value.number(key.text("a setting").c_str());
  try {
    settings_of(*find_algorithm(step.name), step.settings);
  } catch (const UsageError& error) {
    settings.fail("{}", error.what());
  }
  return step;
}

StaticActivations read_static_activations(const Reader& reader) {
  reader.expect_map("static_activations",
                    {"observer", "momentum", "percentile", "norm", "symmetric", "requantization", "measure",
                     "floating_share", "noise", "even_channels", "integer_only", "softmax", "gelu", "per"});
  StaticActivations settings;
  if (const auto per = reader.find("per"))
    if (const size_t which =
            per->choice("per", std::vector<std::string>{"tensor", "channel", "token", "group"}))
      per->fail("{}", which == 1 ? kNoScaleOfAChannel
                      : which == 2
                          ? "per: token: the next text has other tokens at the same places; a rule's "
                            "activations: {format: int8} measures each token as the model runs"
                          : "per: group: integer kernels have one static scale a value; a rule's "
                            "activations: {format: int8, group: N} measures groups as the model runs");
  const auto number = [&](const char* key, double least, double most, double& to) {
    const auto found = reader.find(key);
    if (!found) return;
    to = found->number(key);
    if (!(to >= least && to <= most)) found->fail("{}: expected {} to {}, found {}", key, least, most, to);
  };
  if (const auto observer = reader.find("observer"))
    settings.observer.method = observer_methods()[observer->choice("observer", observer_methods())];
  number("momentum", 0, 1, settings.observer.momentum);
  number("percentile", 50, 100, settings.observer.percentile);
  number("norm", 0.5, 10, settings.observer.norm);
  if (const auto symmetric = reader.find("symmetric")) settings.symmetric = symmetric->boolean("symmetric");
  settings.observer.symmetric = settings.symmetric;
  if (const auto how = reader.find("requantization"))
    settings.requantization =
        how->choice("requantization", std::vector<std::string>{"floating", "fixed"}) == 1
            ? Requantization::fixed
            : Requantization::floating;
  if (const auto measure = reader.find("measure")) settings.measure = measure->boolean("measure");
  number("floating_share", 0, 1, settings.floating_share);
  number("noise", 0, 100, settings.noise);
  if (const auto even = reader.find("even_channels")) settings.even_channels = even->boolean("even_channels");
  if (const auto only = reader.find("integer_only")) settings.integer_only = only->boolean("integer_only");
  if (const auto softmax = reader.find("softmax"))
    settings.log2_softmax = softmax->choice("softmax", std::vector<std::string>{"exact", "log2"}) == 1;
  if (const auto gelu = reader.find("gelu")) {
    const size_t choice = gelu->choice("gelu", std::vector<std::string>{"one", "twin", "polynomial"});
    settings.twin_gelu = choice == 1;
    settings.polynomial_gelu = choice == 2;
  }
  return settings;
}

Recipe read_recipe(const Reader& reader, const std::string& source) {
  reader.expect_map("a recipe",
                    {"name", "algorithms", "rules", "tied", "minimum_elements", "static_activations"});
  Recipe recipe;
  const auto name = reader.find("name");
  recipe.name = name ? name->text("name") : fs::path(source).stem().string();

  const auto rules = reader.find("rules");
  if (!rules) reader.fail("key \"rules\" is missing");
  for (const Reader& rule : rules->list("rules")) recipe.rules.push_back(read_rule(rule));

  if (const auto algorithms = reader.find("algorithms")) {
    recipe.algorithms.clear();
    for (const Reader& algorithm : algorithms->list("algorithms"))
      recipe.algorithms.push_back(read_algorithm(algorithm));
  }
  if (const auto tied = reader.find("tied")) {
    recipe.tied = unless("keep", *tied, read_weights);
  } else {
    Encoding encoding;
    encoding.format = find_number_format("int8");
    encoding.granularity = Granularity::per_axis(0);
    recipe.tied = encoding;
  }
  if (const auto settings = reader.find("static_activations"))
    recipe.static_activations = read_static_activations(*settings);
  if (const auto minimum = reader.find("minimum_elements"))
    recipe.minimum_elements = minimum->integer("minimum_elements", 0, int64_t{1} << 62);
  return recipe;
}

/// Parses without building anything.
class Ignore final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}
};

/// Whether anything follows the first document. (YAML::LoadAll() finds documents without end in text such as
/// ",[".)
bool has_second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Ignore ignore;
  return parser.HandleNextDocument(ignore) && parser.HandleNextDocument(ignore);
}

}  // namespace

Recipe parse_recipe(const std::string& text, const std::string& source) {
  if (text.size() > kMaxFileBytes)
    throw InputError("{}: {} bytes; a recipe has at most {}", source, text.size(), kMaxFileBytes);
  YAML::Node document;
  try {
    if (has_second_document(text)) throw InputError("{}: more than one YAML document", source);
    document = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw InputError("{}: line {}: not YAML: {}", source, error.mark.line + 1, error.msg);
  }
  return read_recipe(Reader(document, source), source);
}

Recipe load_recipe(const fs::path& path) {
  return parse_recipe(read_text(path, kMaxFileBytes), path.string());
}

}  // namespace halftone
