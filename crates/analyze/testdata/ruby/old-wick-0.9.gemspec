Gem::Specification.new do |spec|
  spec.name        = 'old-wick'
  spec.version     = %q{0.9}
  spec.platform    = Gem::Platform::RUBY
  spec.license     = 'BSD-2-Clause'

  if spec.respond_to? :specification_version then
    spec.add_runtime_dependency('lamp-oil', '>= 1')
    spec.add_development_dependency("minitest")
  else
    spec.add_dependency('lamp-oil', '>= 1')
    spec.add_dependency("minitest")
  end
end
