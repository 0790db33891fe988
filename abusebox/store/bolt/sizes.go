package bolt

import "spoor/internal/bolt"

// Sizes tells how much each bucket of the file holds, and the length of the file in bytes.
func (s *Store) Sizes() (buckets []bolt.Size, file int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return nil, 0, bolt.ErrClosed
	}
	if buckets, err = s.db.Sizes(); err != nil {
		return nil, 0, err
	}
	file, err = s.db.Size()
	return buckets, file, err
}
