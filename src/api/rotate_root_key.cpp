// rotate_root_key: another root key for the server.
#include <string>

#include "api/audited.hpp"
#include "api/key_write.hpp"
#include "pg/entry.hpp"
#include "store/audit.hpp"
#include "store/root_rotation.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

std::string words_for(const store::RootRotation& done) {
  std::string words = "root key " + done.root_key + " ";
  words += done.file.empty() ? "taken into use: " : "made in \"" + done.file + "\": ";
  words += std::to_string(done.rewrapped) + " of " + std::to_string(done.keys) +
           " keys of this database rewrapped";
  return words +
         "; keep the old one until keypool.reencryption_progress says done in every database";
}

// rotate_root_key() → text
Datum rotate_root_key(const pg::Args&) {
  require_writable("rotate_root_key()");
  const store::RootRotation done = store::rotate_root_key();
  store::note_audit({.action = "rotate_root_key",
                     .details = "{\"root_key\": \"" + done.root_key +
                                "\", \"made\": " + (done.file.empty() ? "false" : "true") +
                                ", \"rewrapped\": " + std::to_string(done.rewrapped) + "}"});
  return pg::to_datum(words_for(done));
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(rotate_root_key, rotate_root_key, kNone);

}  // namespace keypool::api
