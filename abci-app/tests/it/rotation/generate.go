// Writes cometbft.json: whose turn it is to propose, as CometBFT itself counts it, on chains whose validators change.
//
//	mkdir /tmp/rotation && cp generate.go /tmp/rotation/main.go && cd /tmp/rotation
//	go mod init rotation && go get github.com/cometbft/cometbft@v0.38.25 && go run . > cometbft.json
//
// The sets follow one another as in CometBFT's state/execution.go (updateState) and state/state.go (MakeGenesisState); the rounds of
// a height as in consensus/state.go (enterNewRound), which a node goes through one by one, or skips.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/types"
)

// ROUNDS of each height that are looked at.
const ROUNDS = 8

type height struct {
	// Told at the end of this height: validator, power.
	Updates [][2]int64 `json:"updates"`
	// Validator, power, priority: the set that this height's proposers are of.
	Set [][3]int64 `json:"set"`
	// Of round 0, 1, ... for a node that goes through all rounds, and for one that comes from round 0.
	Stepped []int64 `json:"stepped"`
	Jumped  []int64 `json:"jumped"`
}

type chain struct {
	Addresses []string   `json:"addresses"`
	Genesis   [][2]int64 `json:"genesis"`
	Heights   []height   `json:"heights"`
}

// A kind of chain: how many validators there may be, what power one may have, and how often in a hundred heights something changes.
type kind struct {
	people, first int
	power         func(*rand.Rand) int64
	changes       int
	heights       int
}

func key(chain, n int) ed25519.PrivKey {
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:8], uint64(chain))
	binary.BigEndian.PutUint64(seed[8:], uint64(n))
	return ed25519.GenPrivKeyFromSecret(seed[:])
}

func run(number int, k kind) chain {
	dice := rand.New(rand.NewSource(int64(number)))
	keys, places := make([]ed25519.PrivKey, k.people), map[string]int64{}
	out := chain{}
	for n := range keys {
		keys[n] = key(number, n)
		address := keys[n].PubKey().Address()
		places[address.String()] = int64(n)
		out.Addresses = append(out.Addresses, fmt.Sprintf("%x", []byte(address)))
	}
	powers := map[int]int64{}
	var first []*types.Validator
	for n := 0; n < k.first; n++ {
		powers[n] = k.power(dice)
		first = append(first, types.NewValidator(keys[n].PubKey(), powers[n]))
		out.Genesis = append(out.Genesis, [2]int64{int64(n), powers[n]})
	}
	now := types.NewValidatorSet(first)
	next := now.CopyIncrementProposerPriority(1)
	for h := 0; h < k.heights; h++ {
		seen := height{Updates: [][2]int64{}}
		for _, v := range now.Validators {
			seen.Set = append(seen.Set, [3]int64{places[v.Address.String()], v.VotingPower, v.ProposerPriority})
		}
		stepped := now.Copy()
		for round := 0; round < ROUNDS; round++ {
			jumped := now
			if round > 0 {
				stepped = stepped.Copy()
				stepped.IncrementProposerPriority(1)
				jumped = now.CopyIncrementProposerPriority(int32(round))
			}
			seen.Stepped = append(seen.Stepped, places[stepped.GetProposer().Address.String()])
			seen.Jumped = append(seen.Jumped, places[jumped.GetProposer().Address.String()])
		}
		var updates []*types.Validator
		if dice.Intn(100) < k.changes {
			touched := map[int]bool{}
			for i := 0; i <= dice.Intn(3); i++ {
				n := dice.Intn(k.people)
				if touched[n] {
					continue
				}
				touched[n] = true
				power := k.power(dice)
				if _, there := powers[n]; there && len(powers) > 1 && dice.Intn(3) == 0 {
					power = 0
				}
				if power == 0 {
					delete(powers, n)
				} else {
					powers[n] = power
				}
				updates = append(updates, types.NewValidator(keys[n].PubKey(), power))
				seen.Updates = append(seen.Updates, [2]int64{int64(n), power})
			}
		}
		out.Heights = append(out.Heights, seen)
		after := next.Copy()
		if len(updates) > 0 {
			if err := after.UpdateWithChangeSet(updates); err != nil {
				panic(err)
			}
		}
		after.IncrementProposerPriority(1)
		now, next = next, after
	}
	return out
}

func main() {
	even := func(*rand.Rand) int64 { return 10 }
	small := func(d *rand.Rand) int64 { return 1 + d.Int63n(9) }
	large := func(d *rand.Rand) int64 { return 1 + d.Int63n(1<<44) }
	skewed := func(d *rand.Rand) int64 { return 1 + d.Int63n(int64(1)<<uint(d.Intn(45))) }
	kinds := []kind{
		{4, 4, even, 0, 24},
		{7, 4, small, 30, 120},
		{12, 3, large, 50, 120},
		{24, 9, skewed, 60, 120},
		{3, 1, skewed, 80, 80},
		{64, 40, skewed, 40, 40},
	}
	var chains []chain
	for number, k := range kinds {
		chains = append(chains, run(number, k))
	}
	file := json.NewEncoder(os.Stdout)
	if err := file.Encode(chains); err != nil {
		panic(err)
	}
}
