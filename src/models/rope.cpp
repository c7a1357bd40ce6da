#include "models/rope.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <numbers>

#include "base/error.h"

namespace halftone {
namespace {

double positive_number(const Json& settings, const char* key, const std::string& source) {
  const double value = json_get<double>(settings, key, source);
  if (!(value > 0) || !std::isfinite(value))
    throw InputError("{}: rope setting \"{}\": expected a positive number, found {}", source, key, value);
  return value;
}

double positive_number_or(const Json& settings, const char* key, double fallback, const std::string& source) {
  auto found = settings.find(key);
  return found == settings.end() || found->is_null() ? fallback : positive_number(settings, key, source);
}

std::string rope_type(const Json& settings, const std::string& source) {
  const std::string type = json_get_or<std::string>(settings, "rope_type", "default", source);
  return type == "su" ? "longrope" : type;  // Phi-3's first name for it
}

/// theta^(-2i / rotary_dim), rounded as transformers rounds it.
std::vector<float> plain_frequencies(double theta, int64_t rotary_dim) {
  std::vector<float> inverse(static_cast<size_t>(rotary_dim / 2));
  for (size_t i = 0; i < inverse.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary_dim);
    inverse[i] = 1.0f / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
  }
  return inverse;
}

/// Everything a scaling's formula may read.
struct Scaling {
  const Json& settings;
  const std::string& source;
  double theta;
  int64_t rotary_dim;
  int64_t max_positions;
  int64_t context;

  double number(const char* key) const { return positive_number(settings, key, source); }
  double number_or(const char* key, double fallback) const {
    return positive_number_or(settings, key, fallback, source);
  }
  double original_positions() const {
    return number_or("original_max_position_embeddings", static_cast<double>(max_positions));
  }
};

RopeFrequencies no_scaling(const Scaling& scaling) {
  return {plain_frequencies(scaling.theta, scaling.rotary_dim), 1.0f};
}

RopeFrequencies linear(const Scaling& scaling) {
  RopeFrequencies frequencies = no_scaling(scaling);
  for (float& f : frequencies.inverse) f /= static_cast<float>(scaling.number("factor"));
  return frequencies;
}

RopeFrequencies dynamic(const Scaling& scaling) {
  const double factor = scaling.number("factor");
  const double dim = static_cast<double>(scaling.rotary_dim);
  const double stretch = static_cast<double>(std::max(scaling.context, scaling.max_positions)) /
                         static_cast<double>(scaling.max_positions);
  const double growth = std::pow(factor * stretch - (factor - 1), dim / (dim - 2));
  return {plain_frequencies(scaling.theta * growth, scaling.rotary_dim), 1.0f};
}

RopeFrequencies llama3(const Scaling& scaling) {
  const float factor = static_cast<float>(scaling.number("factor"));
  const float low = static_cast<float>(scaling.number("low_freq_factor"));
  const float high = static_cast<float>(scaling.number("high_freq_factor"));
  const float original = static_cast<float>(scaling.original_positions());
  if (low >= high)
    throw InputError("{}: rope settings: expected low_freq_factor below high_freq_factor, found {} and {}",
                     scaling.source, low, high);
  RopeFrequencies frequencies = no_scaling(scaling);
  for (float& f : frequencies.inverse) {
    const float wavelength = 2 * std::numbers::pi_v<float> / f;
    if (wavelength < original / high) continue;
    if (wavelength > original / low) {
      f /= factor;
    } else {
      const float smooth = (original / wavelength - low) / (high - low);
      f = (1 - smooth) * f / factor + smooth * f;
    }
  }
  return frequencies;
}

/// yarn's magnitude for a stretch of `factor`.
double yarn_magnitude(double factor, double weight) {
  return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

RopeFrequencies yarn(const Scaling& scaling) {
  const double original = scaling.original_positions();
  const double factor = scaling.number_or("factor", static_cast<double>(scaling.max_positions) / original);
  const double dim = static_cast<double>(scaling.rotary_dim);
  // The dimension that turns `rotations` times within the original context.
  auto dimension_of = [&](double rotations) {
    return dim * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(scaling.theta));
  };
  double first = dimension_of(scaling.number_or("beta_fast", 32));
  double last = dimension_of(scaling.number_or("beta_slow", 1));
  if (json_get_or<bool>(scaling.settings, "truncate", true, scaling.source)) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, dim - 1);
  if (first == last) last += 0.001;

  RopeFrequencies frequencies = no_scaling(scaling);
  for (size_t i = 0; i < frequencies.inverse.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    const double f = static_cast<double>(frequencies.inverse[i]);
    frequencies.inverse[i] = static_cast<float>(f / factor * slowed + f * (1 - slowed));
  }
  const double mscale = scaling.number_or("mscale", 0);
  const double mscale_all = scaling.number_or("mscale_all_dim", 0);
  const double magnitude = mscale > 0 && mscale_all > 0
                               ? yarn_magnitude(factor, mscale) / yarn_magnitude(factor, mscale_all)
                               : yarn_magnitude(factor, 1);
  frequencies.magnitude = static_cast<float>(scaling.number_or("attention_factor", magnitude));
  return frequencies;
}

RopeFrequencies longrope(const Scaling& scaling) {
  const double original = scaling.original_positions();
  const char* key = static_cast<double>(scaling.context) > original ? "long_factor" : "short_factor";
  const auto factors = json_get<std::vector<float>>(scaling.settings, key, scaling.source);
  RopeFrequencies frequencies = no_scaling(scaling);
  if (factors.size() != frequencies.inverse.size())
    throw InputError("{}: rope setting \"{}\": expected {} factors, found {}", scaling.source, key,
                     frequencies.inverse.size(), factors.size());
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!(factors[i] > 0))
      throw InputError("{}: rope setting \"{}\": entry {} is not positive", scaling.source, key, i);
    frequencies.inverse[i] /= factors[i];
  }
  const double factor = scaling.number_or("factor", static_cast<double>(scaling.max_positions) / original);
  const double magnitude = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
  frequencies.magnitude = static_cast<float>(scaling.number_or("attention_factor", magnitude));
  return frequencies;
}

struct ScalingKind {
  std::string_view name;
  RopeFrequencies (*compute)(const Scaling& scaling);
};
constexpr ScalingKind kScalings[] = {{"default", no_scaling}, {"linear", linear}, {"dynamic", dynamic},
                                     {"llama3", llama3},      {"yarn", yarn},     {"longrope", longrope}};

class RopeTable : public ConstantSource {
 public:
  using Function = float (*)(float);
  RopeTable(RopeFrequencies frequencies, int64_t context, Function function)
      : frequencies_(std::move(frequencies)), context_(context), function_(function) {}

  Tensor load() const override {
    Tensor table = Tensor::allocate(DType::f32, {context_, frequencies_.rotary_dim() / 2});
    float* out = table.mutable_view().span<float>().data();
    for (int64_t position = 0; position < context_; ++position)
      for (float f : frequencies_.inverse)
        *out++ = function_(static_cast<float>(position) * f) * frequencies_.magnitude;
    return table;
  }
  std::optional<std::string> told_by() const override {
    return fmt::format("{} of {} times {}", function_(1), fmt::join(frequencies_.inverse, " "),
                       frequencies_.magnitude);
  }

 private:
  RopeFrequencies frequencies_;
  int64_t context_;
  Function function_;
};

}  // namespace

Json rope_settings(const Json& config, const std::string& layer_type, const std::string& source) {
  Json settings = json_get_or<Json>(config, "rope_parameters", Json::object(), source);
  const bool by_layer = settings.contains(layer_type);
  if (by_layer) settings = settings[layer_type];
  const Json scaling = json_get_or<Json>(config, "rope_scaling", Json::object(), source);
  if (!settings.is_object() || !scaling.is_object())
    throw InputError("{}: rope_parameters and rope_scaling: expected JSON objects", source);
  for (const auto& [key, value] : scaling.items()) settings.emplace(key, value);
  if (!settings.contains("rope_type"))
    settings["rope_type"] = json_get_or<std::string>(settings, "type", "default", source);
  for (const char* key : {"rope_theta", "partial_rotary_factor", "original_max_position_embeddings"}) {
    if (!config.contains(key) || config[key].is_null()) continue;
    // transformers lets this one of a whole model (Phi-3's) speak before that of its rope settings.
    const bool first = !by_layer && std::string_view(key) == "original_max_position_embeddings";
    if (first || !settings.contains(key)) settings[key] = config[key];
  }
  settings.emplace("rope_theta", 10000.0);
  settings.emplace("partial_rotary_factor", 1.0);
  return settings;
}

RopeFrequencies rope_frequencies(const Json& settings, int64_t head_dim, int64_t max_positions,
                                 int64_t context, const std::string& source) {
  const double theta = positive_number(settings, "rope_theta", source);
  const double part = positive_number(settings, "partial_rotary_factor", source);
  if (theta <= 1) throw InputError("{}: rope_theta: expected more than 1, found {}", source, theta);
  if (part > 1) throw InputError("{}: partial_rotary_factor: expected at most 1, found {}", source, part);
  const int64_t rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * part);
  if (rotary_dim < 4 || rotary_dim % 2 != 0)
    throw UnsupportedError("{}: {} rotary dimensions a head (an even number from 4 on is needed)", source,
                           rotary_dim);
  const std::string type = rope_type(settings, source);
  for (const ScalingKind& kind : kScalings) {
    if (kind.name != type) continue;
    RopeFrequencies frequencies = kind.compute({settings, source, theta, rotary_dim, max_positions, context});
    const bool finite = std::all_of(frequencies.inverse.begin(), frequencies.inverse.end(),
                                    [](float f) { return std::isfinite(f); });
    if (!finite || !std::isfinite(frequencies.magnitude))
      throw InputError("{}: rope settings give infinite frequencies", source);
    return frequencies;
  }
  throw UnsupportedError("{}: rope type \"{}\" (known: default, linear, dynamic, llama3, yarn, longrope)",
                         source, type);
}

int64_t longest_context(const Json& config, int64_t max_positions, const std::string& source) {
  const Json settings = rope_settings(config, "full_attention", source);
  if (rope_type(settings, source) == "default") return max_positions;
  const double original = positive_number_or(settings, "original_max_position_embeddings",
                                             static_cast<double>(max_positions), source);
  const double stretched = original * positive_number_or(settings, "factor", 1, source);
  return std::max(max_positions, static_cast<int64_t>(std::min(stretched, 1e12)));
}

RopeTables rope_tables(const RopeFrequencies& frequencies, int64_t context) {
  const Shape shape{context, frequencies.rotary_dim() / 2};
  return {Constant(DType::f32, shape,
                   std::make_shared<RopeTable>(
                       frequencies, context, +[](float x) { return std::cos(x); })),
          Constant(DType::f32, shape,
                   std::make_shared<RopeTable>(
                       frequencies, context, +[](float x) { return std::sin(x); }))};
}

}  // namespace halftone
