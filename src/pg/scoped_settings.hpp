// Server settings for a scope, as a function's SET clause would have them: the destructor puts the
// earlier values back, however the scope ends, and cannot raise an error.
//
// Must not outlive the (sub)transaction it was made in.
#pragma once

#include <initializer_list>

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

class [[nodiscard]] ScopedSettings {
 public:
  struct Setting {
    const char* name;
    const char* value;
  };

  explicit ScopedSettings(std::initializer_list<Setting> settings) : level_(NewGUCNestLevel()) {
    try {
      call([&settings] {
        for (const Setting& setting : settings) {
          set_config_option(setting.name, setting.value, PGC_USERSET, PGC_S_SESSION,
                            GUC_ACTION_SAVE, true, 0, false);
        }
      });
    } catch (...) {
      AtEOXact_GUC(false, level_);
      throw;
    }
  }
  ScopedSettings(const ScopedSettings&) = delete;
  ScopedSettings& operator=(const ScopedSettings&) = delete;
  ~ScopedSettings() { AtEOXact_GUC(false, level_); }

 private:
  int level_;
};

}  // namespace keypool::pg
