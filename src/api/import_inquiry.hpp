// What import_requests was asked for, and what it finds out before anybody begins: with the
// caller's rights, since only these can tell what there is to read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/args.hpp"
#include "store/import_copy.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

struct ImportRequest {
  Oid source;
  std::string name;      // of the source
  std::string importer;  // the caller
  bool follow;
  std::string columns;  // JSON; those of an earlier import where none were given
  bool for_worker;      // as far as the source is concerned
  bool settled;         // all is copied, and a trigger copies what comes
  bool other_columns;   // were given
  store::SourceKey reached;
  store::SourceKey followed_from;  // what comes after has been taken by a trigger
  std::int64_t copied;             // so far
  std::int64_t refused;
};

struct ImportFindings {
  store::SourceKey up_to;
  store::ImportSurvey survey;
  std::vector<std::int64_t> own_keys;
};

// Throws, with a reason, where the source or the mapping is none.
ImportRequest import_request(const pg::Args& args);

// Before the worker begins.
ImportFindings find_out(const ImportRequest& request, const store::ImportReading& reading);
// Before the work begins here.
ImportFindings find_own_keys(const store::ImportReading& reading);

// For those who are just writing to the source: they may yet commit rows with keys below the last
// one.
void await_writers(Oid source);

// Both as whoever does the work wants them (keypool.import_order).
std::string import_order(const ImportRequest& request, const ImportFindings& found);

}  // namespace keypool::api
