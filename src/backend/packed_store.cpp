#include "backend/packed_store.h"

namespace halftone {
namespace {

thread_local PackedStore* store_in_scope = nullptr;

}  // namespace

PackedStore* PackedStore::current() {
  return store_in_scope;
}

PackedStore::Scope::Scope(PackedStore* store) : before_(store_in_scope) {
  store_in_scope = store;
}

PackedStore::Scope::~Scope() {
  store_in_scope = before_;
}

}  // namespace halftone
