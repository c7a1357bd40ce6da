#include "backend/kernel.h"

#include <vector>

namespace halftone {
namespace {

std::vector<const Backend*>& backends() {
  static std::vector<const Backend*> list;
  return list;
}

}  // namespace

void register_backend(const Backend& backend) {
  if (!find_backend(backend.name())) backends().push_back(&backend);
}

const Backend* find_backend(std::string_view name) {
  for (const Backend* backend : backends())
    if (backend->name() == name) return backend;
  return nullptr;
}

}  // namespace halftone
