//! Distances on the earth.

/// Inverse flattening of WGS 84.
const INVERSE_FLATTENING: f64 = 298.257_223_563;
const EQUATOR_RADIUS_KM: f64 = 6378.137;

/// Kilometres between two points given as (latitude, longitude) in degrees, on the WGS 84 spheroid.
///
/// The great-circle distance of the reduced latitudes with Lambert's correction for flattening;
/// the error stays below 10 m. The PostgreSQL migration defines the same function in SQL.
///
/// ```
/// let paris_london = transect::query::geo::distance_km((48.8566, 2.3522), (51.5074, -0.1278));
/// assert!((paris_london - 343.9).abs() < 0.5);
/// ```
pub fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let flattening = 1.0 / INVERSE_FLATTENING;
    let reduced = |latitude: f64| ((1.0 - flattening) * latitude.to_radians().tan()).atan();
    let (b1, b2) = (reduced(from.0), reduced(to.0));
    let half_longitude = (to.1 - from.1).to_radians() / 2.0;
    let chord =
        ((b2 - b1) / 2.0).sin().powi(2) + b1.cos() * b2.cos() * half_longitude.sin().powi(2);
    let angle = 2.0 * chord.sqrt().min(1.0).asin();
    if !(1e-12..=std::f64::consts::PI - 1e-9).contains(&angle) {
        return EQUATOR_RADIUS_KM * angle;
    }
    let (p, q) = (f64::midpoint(b1, b2), (b2 - b1) / 2.0);
    let x = (angle - angle.sin()) * p.sin().powi(2) * q.cos().powi(2) / (angle / 2.0).cos().powi(2);
    let y = (angle + angle.sin()) * p.cos().powi(2) * q.sin().powi(2) / (angle / 2.0).sin().powi(2);
    EQUATOR_RADIUS_KM * (angle - flattening / 2.0 * (x + y))
}
