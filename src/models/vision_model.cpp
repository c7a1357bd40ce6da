#include "models/vision_model.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "models/config.h"

namespace halftone {

#define HALFTONE_VISION_FAMILY(architecture, model_type, builder) \
  Graph builder(const Checkpoint&, const BuildOptions&);
#include "models/vision_families.inc"
#undef HALFTONE_VISION_FAMILY

namespace {

struct Family {
  std::string_view architecture;
  std::string_view model_type;
  Graph (*build)(const Checkpoint&, const BuildOptions&);
};

constexpr Family kFamilies[] = {
#define HALFTONE_VISION_FAMILY(architecture, model_type, builder) {architecture, model_type, builder},
#include "models/vision_families.inc"
#undef HALFTONE_VISION_FAMILY
};

/// The architecture, or the type where a configuration names no architecture.
std::string architecture_of(const Json& config, const std::string& source) {
  const auto names = json_get_or<std::vector<std::string>>(config, "architectures", {}, source);
  return names.empty() ? json_get_or<std::string>(config, "model_type", "", source) : names.front();
}

const Family* find_family(const std::string& architecture) {
  for (const Family& family : kFamilies)
    if (architecture == family.architecture || architecture == family.model_type) return &family;
  return nullptr;
}

}  // namespace

std::vector<std::string> known_vision_architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.architecture);
  return names;
}

bool is_vision_config(const Json& config, const std::string& source) {
  return find_family(architecture_of(config, source)) != nullptr;
}

Graph build_vision_model(const Checkpoint& checkpoint, const BuildOptions& options) {
  const std::string source = config_source(checkpoint);
  const std::string architecture = architecture_of(checkpoint.config, source);
  const Family* family = find_family(architecture);
  if (!family)
    throw UnsupportedError("{}: architecture \"{}\" (image classifiers known: {})", source, architecture,
                           fmt::join(known_vision_architectures(), ", "));
  return family->build(checkpoint, options);
}

}  // namespace halftone
