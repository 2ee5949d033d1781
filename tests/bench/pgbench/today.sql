SELECT today.pick_key('openai');
