package bolt

import "go.etcd.io/bbolt"

// A Size is how much one bucket holds.
type Size struct {
	Bucket  string
	Records int
	Bytes   int64 // of keys, values and the pages' own
}

// Sizes measures every bucket. It touches each page of the file once.
func (db *DB) Sizes() (sizes []Size, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			s := b.Stats()
			sizes = append(sizes, Size{Bucket: string(name), Records: s.KeyN, Bytes: int64(s.LeafInuse + s.BranchInuse + s.InlineBucketInuse)})
			return nil
		})
	})
	return sizes, err
}
