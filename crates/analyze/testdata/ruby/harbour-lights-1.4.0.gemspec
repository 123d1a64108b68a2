# -*- encoding: utf-8 -*-
# stub: harbour-lights 1.4.0 ruby lib

Gem::Specification.new do |s|
  s.name = "harbour-lights".freeze
  s.version = "1.4.0"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "source_code_uri" => "https://example.org/lights" } if s.respond_to? :metadata=
  s.require_paths = ["lib".freeze]
  s.authors = ["A. Keeper".freeze]
  s.date = "2024-02-01"
  s.description = "Turns the lights of a harbour on and off.".freeze
  s.files = ["lib/harbour.rb".freeze]
  s.licenses = ["MIT".freeze, "Ruby".freeze]
  s.rubygems_version = "3.5.3".freeze
  s.summary = "Lights of a harbour".freeze

  s.installed_by_version = "3.5.3".freeze

  s.specification_version = 4

  s.add_runtime_dependency(%q<tide-tables>.freeze, ["~> 2.0".freeze])
  s.add_runtime_dependency(%q<json>.freeze, [">= 1.8".freeze, "< 3".freeze])
  s.add_development_dependency(%q<rake>.freeze, [">= 0".freeze])
end
