// SPDX-License-Identifier: Apache-2.0
//
// The machine's state as it was last seen, cut into sections, and one round of looking at it.
// A section belongs to the first plugin (in the runner's order) that fills it; when a plugin fails,
// what it said last still stands.
//
// Threads: Look blocks and belongs on a lane of its own; Sections is used by one thread at a time.
#ifndef KEYMEDIC_AGENT_SECTIONS_H_
#define KEYMEDIC_AGENT_SECTIONS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/plugin_runner.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "keymedic/v1/event.pb.h"
#include "keymedic/v1/section.pb.h"

namespace keymedic::agent {

// What one round of asking every plugin gave.
struct Round {
  struct Plugin {
    std::string name;
    bool answered = false;
    google::protobuf::RepeatedPtrField<v1::Section> sections;
  };
  bool listed = false;  // false: not even the plugins could be listed
  std::vector<Plugin> plugins;
  google::protobuf::RepeatedPtrField<v1::EventRecord> events;
  google::protobuf::RepeatedPtrField<v1::EventBookmark> bookmarks;
  std::vector<v1::AgentNotice> notices;
};

// Asks every loaded plugin. A plugin that fails is logged and marked; its events stay where they
// are until its next answer.
Round Look(PluginRunner& plugins, const std::vector<v1::EventBookmark>& bookmarks,
           absl::Duration timeout);

class Sections {
 public:
  struct Changes {
    std::vector<std::string> changed;
    std::vector<std::string> removed;
  };

  Changes Merge(Round& round);
  const v1::Section* Find(const std::string& name) const;
  std::vector<v1::SectionHash> Hashes() const;

 private:
  struct Held {
    std::string plugin;
    v1::Section section;
  };
  std::map<std::string, Held> held_;
};

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_SECTIONS_H_
