//! A part of a matrix, by environment variable.

/// Those of `all` that the environment variable names, or all.
///
/// # Panics
/// Where it names none of them.
pub fn chosen<T: Copy>(variable: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
    let Ok(wanted) = std::env::var(variable) else { return all.to_vec() };
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
    let chosen: Vec<T> = all.iter().copied().filter(|one| wanted.contains(&name(*one))).collect();
    let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
    assert!(!chosen.is_empty(), "{variable}={wanted:?}: there are {names:?}");
    chosen
}
