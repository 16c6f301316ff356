package ntfs

import "fmt"

// Check reads the whole MFT and requires of every file that its records can be
// read, and of every cluster in use that it has one owner and is taken by
// $Bitmap, the first cluster among them: so that to take a free cluster harms no
// file. It fails with a
// [DamageError], or with [ErrTooLarge] as [Volume.Owners] does. Clusters that
// are taken and have no owner are no damage.
func (v *Volume) Check() error {
	if err := v.check(); err != nil {
		return fmt.Errorf("check NTFS volume: %w", err)
	}
	return nil
}

func (v *Volume) check() error {
	o, err := v.Owners()
	if err != nil {
		return err
	}
	if n, fault := o.Skipped(); n > 0 {
		return fault
	}
	for i, r := range o.runs {
		if i > 0 && o.reach[i-1] > r.first {
			return damage(o.whose(r), r.first*v.clusterSize, "owns cluster %d, as another file or stream does: %s", r.first, o.whose(o.other(i)))
		}
	}
	if len(o.runs) == 0 || o.runs[0].first != 0 {
		return damage(recordName(recordBoot), 0, "nothing owns the first cluster, which holds the boot sector")
	}
	i := 0
	for free, err := range v.Free() {
		if err != nil {
			return err
		}
		for i < len(o.runs) && o.reach[i] <= free.First {
			i++
		}
		if i < len(o.runs) && o.runs[i].first < free.First+free.Count {
			c := max(o.runs[i].first, free.First)
			return damage("$Bitmap", c*v.clusterSize, "has cluster %d as free, which %s owns", c, o.whose(o.runs[i]))
		}
	}
	return nil
}

func (o *Owners) whose(r ownedRun) string {
	return fmt.Sprintf("%s of %s", o.streams[r.stream], recordName(r.record))
}

// other finds a run before the i-th that reaches into it.
func (o *Owners) other(i int) ownedRun {
	for j := i - 1; j > 0; j-- {
		if o.runs[j].first+o.runs[j].count > o.runs[i].first {
			return o.runs[j]
		}
	}
	return o.runs[0]
}
