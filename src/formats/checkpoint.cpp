#include "formats/checkpoint.h"

namespace halftone {

ValueType Checkpoint::type(std::string_view name) const {
  const Constant& found = constant(name);
  return {found.dtype(), found.shape()};
}

const Constant& Checkpoint::constant(std::string_view name) const {
  auto found = constants_.find(name);
  if (found == constants_.end()) throw InputError("{}: tensor \"{}\" is missing", path.string(), name);
  return found->second;
}

const Constant& Checkpoint::constant(std::string_view name, const Shape& expected) const {
  const Constant& found = constant(name);
  if (found.shape() != expected)
    throw InputError("{}: tensor \"{}\": expected shape {}, found {}", path.string(), name, expected.str(),
                     found.shape().str());
  return found;
}

void Checkpoint::add(std::string name, Constant constant) {
  if (!constants_.emplace(name, std::move(constant)).second)
    throw InputError("{}: tensor \"{}\" appears twice", path.string(), name);
  names_.push_back(std::move(name));
}

}  // namespace halftone
