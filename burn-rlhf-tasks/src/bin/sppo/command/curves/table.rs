use super::Group;
use crate::{failure::Failure, plot::Panel};

/// The points of all lines: metric, name, x, y, and the standard error where several runs are averaged.
pub fn csv(panels: &[Panel], groups: &[Group]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["metric", "name", "x", "y", "error"]).map_err(Failure::failed)?;
    for panel in panels {
        for (line, group) in panel.lines.iter().zip(groups) {
            for (index, (x, y)) in line.points.iter().enumerate() {
                let error = line.errors.get(index).map_or_else(String::new, f64::to_string);
                let record = [&panel.metric, &group.name, &x.to_string(), &y.to_string(), &error];
                writer.write_record(record).map_err(Failure::failed)?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(Failure::failed)?;
    String::from_utf8(bytes).map_err(Failure::failed)
}
