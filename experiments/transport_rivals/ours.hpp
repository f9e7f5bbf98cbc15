#pragma once

#include <memory>
#include <string>

#include "actors/transport/endpoint.hpp"
#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

/// actors/transport; the messages are frames with one tensor attached.
std::unique_ptr<rival_client> our_client(const std::string& address,
                                         transport::endpoint_options options);
void serve_ours(transport::endpoint_options options);

}  // namespace swarm::experiments
