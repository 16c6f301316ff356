package widgets

import "fmt"

// Size writes a number of bytes as people do: 1.5 GiB.
func Size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n), "KMGTPE"
	i := -1
	for value >= unit && i < len(units)-1 {
		value /= unit
		i++
	}
	if value == float64(int64(value)) {
		return fmt.Sprintf("%d %ciB", int64(value), units[i])
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}
