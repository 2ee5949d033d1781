// Importing what a document or the environment names, one step at a time, and what became of it.
//
// Each step runs in a subtransaction: one that fails says why in its row and stops nothing else.
// What is no fault of the step (a cancel, a lost root key, no memory) ends the import.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/provider_names.hpp"
#include "core/import_document.hpp"
#include "core/key_fields.hpp"

namespace keypool::api {

struct ImportRow {
  std::string provider;
  std::optional<std::string> name;
  std::optional<std::int64_t> key_id;
  std::string action;  // "added", "updated", "unchanged" or "failed: <reason>"
};

// A reason as text for `action`; whatever looks like a secret is taken out.
std::string failed(std::string_view reason);

// Adds the key, or, when its owner has this secret already, brings the given fields of the stored
// one up to date. Its name is left alone: the secret says which key it is.
ImportRow import_key(const ProviderNames& providers, std::string_view provider,
                     const core::KeyFields& fields, std::string_view secret);

// Rotation settings of the document's providers and the chain of fallback, into keypool.providers.
// One row for each that failed.
std::vector<ImportRow> import_settings(const ProviderNames& providers,
                                       const core::ImportDocument& document);

}  // namespace keypool::api
