#include "backend/kernel.h"

#include <vector>

namespace halftone {
namespace {

std::vector<const Backend*>& backends() {
  static std::vector<const Backend*> list;
  return list;
}

}  // namespace

Refusal Kernel::refusal(const OpSite& site) const {
  if (!takes_storage && !site.all_plain()) return "values are not stored planar and plain";
  if (!takes_wide && site.any_wide()) return "values are stored as codes of 16 bits";
  return supports(site);
}

void register_backend(const Backend& backend) {
  if (!find_backend(backend.name())) backends().push_back(&backend);
}

const Backend* find_backend(std::string_view name) {
  for (const Backend* backend : backends())
    if (backend->name() == name) return backend;
  return nullptr;
}

}  // namespace halftone
